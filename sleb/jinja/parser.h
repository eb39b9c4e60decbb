// Reads a template's tokens as a tree.
#pragma once

#include <string_view>

#include "sleb/jinja/syntax.h"

namespace sleb::jinja {

// `source` is valid UTF-8. Throws FaultAtLine for what is no template, tags that are not supported by their names, and
// parts nested so deep that running them might take too much stack.
Statements parse(std::string_view source);

}  // namespace sleb::jinja
