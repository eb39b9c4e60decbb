// Text that the model writes itself, in the place of a file of text: "self" or "self:TOKENS".
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "apps/sleb/options/session.h"
#include "sleb/corpus/corpus.h"
#include "sleb/engine/model.h"

namespace sleb::app {

// Nothing where `text` is something else, or a file's name. Else the text with all that is known before it is written.
// Throws Error(bad_input), beginning with the option's name, for a number of tokens that is none, and what
// unwritten_corpus throws. Without a number: as many as the segments asked for take, else 8,192 in whole segments.
std::optional<Corpus> self_text_corpus(std::string_view option, const std::string& text, SelfTextOptions options,
                                       int64_t seqlen, std::optional<int64_t> segments);

// Gives a text that is still to be written, or a mixture's parts that are, their ids: kept ones, or written now and
// kept (self_text_cache.h). Of many processes rank 0 does, and all get the same. Any other text stays as it is.
void fill_self_text(const Model& model, Corpus& text, ProcessGroup* processes, Progress& progress);

}  // namespace sleb::app
