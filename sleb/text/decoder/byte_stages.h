// Decoder steps that put characters together from bytes.
#pragma once

#include "sleb/text/decoder/token_decoder.h"

namespace sleb {

// GPT-2's characters for bytes; a token with any other character stands for itself. All tokens become one. Bytes that
// are no UTF-8 become U+FFFD as in replace_invalid_utf8.
MakeStage byte_level_stage(const JsonView& component);

// Tokens "<0xNN>" are bytes. A run of them that is not UTF-8 as a whole becomes as many U+FFFD, so that it is passed on
// only when it ends.
MakeStage byte_fallback_stage(const JsonView& component);

struct SentencePieceOptions {
  bool strip_first_blank;         // normalizer_spec.add_dummy_prefix or remove_extra_whitespaces
  bool remove_extra_whitespaces;  // then all blanks at the start go
};
// Pieces as libsentencepiece puts them together (sentencepiece_processor.cc, SentencePieceProcessor::Decode); unlike in
// ByteFallback, only those of a run's bytes that are no UTF-8 become U+FFFD.
MakeStage sentencepiece_stage(const SentencePieceOptions& options);

}  // namespace sleb
