// Several results beside each other.
#pragma once

#include <span>
#include <string>

#include "sleb/report/figures/figures.h"

namespace sleb::page {

// HTML: a table of all, which blocks each removed, their paths in one picture, perplexities.
std::string comparison_sections(std::span<const NamedResult> results);

Drawing removed_lists(std::span<const NamedResult> results);

}  // namespace sleb::page
