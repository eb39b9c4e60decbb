// tokenizer.model: a vocabulary of SentencePiece (Kudo and Richardson, arXiv 1808.06226), opened by libsentencepiece.
#pragma once

#include <sentencepiece_processor.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sleb {

// sentencepiece_model.proto, ModelProto.SentencePiece.Type
enum class PieceType { normal = 1, unknown = 2, control = 3, user_defined = 4, unused = 5, byte = 6 };
// sentencepiece_model.proto, TrainerSpec.ModelType
enum class PieceAlgorithm { unigram = 1, bpe = 2 };

struct SentencePieceFile {
  std::unique_ptr<const sentencepiece::SentencePieceProcessor> processor;
  PieceAlgorithm algorithm;
  std::vector<PieceType> types;  // by id: the library's own interface does not tell which pieces are user-defined
  // What decoding needs, with the format's defaults.
  bool add_dummy_prefix = true;
  bool remove_extra_whitespaces = true;
  std::string unknown_surface = " \xE2\x81\x87 ";
};

// Throws Error(bad_input), beginning with `label`, for anything that is not a whole SentencePiece model. What the
// library itself trusts is checked before it sees the file: the tables of its normalizers, which it follows without
// bounds, scores, and the text of pieces.
SentencePieceFile open_sentencepiece(std::string_view bytes, std::string_view label);

}  // namespace sleb
