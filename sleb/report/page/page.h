// A report of what sleb prune found: one page, or a picture, or the numbers in it. None needs a network or a script.
#pragma once

#include <span>
#include <string>

#include "sleb/base/json.h"
#include "sleb/report/figures/figures.h"
#include "sleb/report/result/prune_result.h"

namespace sleb::page {

// The sentence that matters: what was removed, what it costs, what it brings.
std::string in_a_sentence(const result::PruneResult& result);

// HTML. Of one result, or of several beside each other.
std::string page_of(const result::PruneResult& result);
std::string page_of(std::span<const NamedResult> results);

// SVG, for papers and model cards: the map and the path; of several results what each removed and their paths.
std::string picture_of(const result::PruneResult& result);
std::string picture_of(std::span<const NamedResult> results);
// Of a removal list alone: which blocks are gone.
std::string picture_of(const RemovalList& removed, int64_t num_blocks);

// {"results": [a record each]}: the numbers that the page draws, as the files have them.
OrderedJson numbers_of(std::span<const NamedResult> results);

}  // namespace sleb::page
