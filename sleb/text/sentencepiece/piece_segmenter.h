// How SentencePiece cuts normalized text into pieces.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "sleb/text/sentencepiece/sentencepiece_file.h"

namespace sleb {

class PieceSegmenter {
 public:
  virtual ~PieceSegmenter() = default;
  // Appends the ids of `text`, which is UTF-8 and may be empty, to `ids`. Thread-safe.
  virtual void encode(std::string_view text, std::vector<int64_t>& ids) const = 0;
};

// Appends what stands for text that no piece spells: its bytes, or the unknown piece, of which no two follow each other
// (sentencepiece_processor.cc, SentencePieceProcessor::PopulateSentencePieceText).
template <typename Id>
void append_unknown(const SentencePieceFile& file, std::string_view text, std::vector<Id>& ids, size_t begin) {
  if (!file.byte_fallback) {
    if (ids.size() == begin || ids.back() != file.unknown_id) ids.push_back(file.unknown_id);
    return;
  }
  for (const char byte : text) ids.push_back(file.byte_ids[static_cast<uint8_t>(byte)]);
}

}  // namespace sleb
