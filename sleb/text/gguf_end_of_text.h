// The tokens at which llama.cpp ends a text.
#pragma once

#include <cstdint>
#include <vector>

#include "sleb/text/gguf_vocabulary.h"

namespace sleb {

// The ids that the file names as ends of a text, of a turn and of a message, in this order, then the tokens that
// llama.cpp takes for ends by their text, by id. Throws Error(bad_input) for a named id outside the vocabulary.
std::vector<int64_t> end_of_text_ids(const GgufVocabulary& vocabulary);

}  // namespace sleb
