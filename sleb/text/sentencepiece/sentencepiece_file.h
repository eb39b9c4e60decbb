// tokenizer.model: a vocabulary of SentencePiece (Kudo and Richardson, arXiv 1808.06226), in Protocol Buffers' wire
// format.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sleb/text/normalizer/charsmap.h"

namespace sleb {

// sentencepiece_model.proto, ModelProto.SentencePiece.Type
enum class PieceType { normal = 1, unknown = 2, control = 3, user_defined = 4, unused = 5, byte = 6 };
// sentencepiece_model.proto, TrainerSpec.ModelType
enum class PieceAlgorithm { unigram = 1, bpe = 2 };

struct SentencePiece {
  std::string text;
  float score = 0;
  PieceType type = PieceType::normal;

  // Whether text can spell it: the others stand for what is no text.
  bool in_text() const {
    return type == PieceType::normal || type == PieceType::user_defined || type == PieceType::unused;
  }
};

// Members that the file leaves out have the format's defaults.
struct SentencePieceFile {
  PieceAlgorithm algorithm = PieceAlgorithm::unigram;
  std::vector<SentencePiece> pieces;  // by id

  std::optional<Charsmap> charsmap;
  bool add_dummy_prefix = true;
  bool remove_extra_whitespaces = true;
  bool escape_whitespaces = true;           // a blank is spelled U+2581
  bool treat_whitespace_as_suffix = false;  // the dummy goes behind the text

  bool byte_fallback = false;
  std::array<int32_t, 256> byte_ids = {};  // with byte_fallback
  int32_t unknown_id = 0;
  std::string unknown_surface = " \xE2\x81\x87 ";  // what it is decoded to
  std::string bos_piece = "<s>", eos_piece = "</s>";
};

// Throws Error(bad_input), beginning with `label`, for anything that is not a whole SentencePiece model with one
// unknown piece, no piece twice, and with byte_fallback all bytes.
SentencePieceFile read_sentencepiece(std::string_view bytes, const std::string& label);

}  // namespace sleb
