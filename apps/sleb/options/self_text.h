// Text that the model writes itself, in the place of a file of text: "self" or "self:TOKENS".
#pragma once

#include <initializer_list>
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

// Gives the texts that are still to be written their ids: kept ones, or written now and kept (self_text_cache.h). Of
// many processes rank 0 does, and all get the same. A text that is there already, or absent, stays as it is.
void write_self_texts(const Model& model, std::initializer_list<Corpus*> texts, ProcessGroup* processes,
                      Progress& progress);

}  // namespace sleb::app
