// Reads a template's tokens as a tree.
#pragma once

#include <string_view>

#include "sleb/jinja/dialect.h"
#include "sleb/jinja/syntax.h"

namespace sleb::jinja {

// `source` is valid UTF-8. Throws FaultAtLine for what is no template, tags that are not supported by their names (of a
// task filters, too: a task that can't be asked is refused before its rows are read), and parts nested so deep that
// running them might take too much stack.
Statements parse(std::string_view source, Dialect dialect);

}  // namespace sleb::jinja
