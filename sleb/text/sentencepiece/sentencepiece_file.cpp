#include "sleb/text/sentencepiece/sentencepiece_file.h"

#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <set>
#include <utility>

#include "sleb/base/error.h"
#include "sleb/base/utf8.h"
#include "sleb/text/model/vocabulary.h"
#include "sleb/text/sources/tokenizer_json.h"

namespace sleb {
namespace {

// One field of a message in Protocol Buffers' wire format.
struct Field {
  uint32_t number;
  uint32_t wire_type;
  uint64_t integer;        // wire types 0 (varint), 1 (8 bytes) and 5 (4 bytes)
  std::string_view bytes;  // wire type 2
};

class Fields {
 public:
  Fields(std::string_view bytes, std::string_view label) : rest_(bytes), label_(label) {}

  std::optional<Field> next() {
    if (rest_.empty()) return {};
    const uint64_t key = varint();
    Field field = {.number = static_cast<uint32_t>(key >> 3),
                   .wire_type = static_cast<uint32_t>(key & 7),
                   .integer = 0,
                   .bytes = {}};
    if (key >> 32 != 0 || field.number == 0) fail();
    switch (field.wire_type) {
      case 0:
        field.integer = varint();
        break;
      case 1:
        field.integer = fixed(8);
        break;
      case 2:
        field.bytes = take(varint());
        break;
      case 5:
        field.integer = fixed(4);
        break;
      default:
        fail();
    }
    return field;
  }

 private:
  [[noreturn]] void fail() const { bad_input("{}: damaged, or not a SentencePiece model", label_); }

  std::string_view take(uint64_t size) {
    if (size > rest_.size()) fail();
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }

  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<uint8_t>(take(1)[0]);
      value |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    fail();
  }

  uint64_t fixed(size_t size) {
    uint64_t value = 0;
    std::memcpy(&value, take(size).data(), size);
    return value;
  }

  std::string_view rest_;
  std::string_view label_;
};

// The messages' fields that are looked at (sentencepiece_model.proto).
enum ModelField : uint32_t { pieces = 1, trainer_spec = 2, normalizer_spec = 3 };
enum PieceField : uint32_t { piece_text = 1, piece_score = 2, piece_type = 3 };
enum TrainerField : uint32_t {
  trainer_model_type = 3,
  trainer_whitespace_as_suffix = 24,
  trainer_byte_fallback = 35,
  trainer_unknown_surface = 44,
  trainer_bos_piece = 46,
  trainer_eos_piece = 47
};
enum NormalizerField : uint32_t {
  normalizer_charsmap = 2,
  normalizer_dummy_prefix = 3,
  normalizer_extra_whitespaces = 4,
  normalizer_escape_whitespaces = 5
};

void read_normalizer(std::string_view message, SentencePieceFile& file, const std::string& label) {
  Fields fields(message, label);
  while (const auto field = fields.next()) {
    if (field->number == normalizer_charsmap && field->wire_type == 2 && !field->bytes.empty()) {
      file.charsmap = Charsmap(field->bytes, label + ": precompiled_charsmap");
      file.charsmap->check();
    }
    if (field->wire_type != 0) continue;
    const bool value = field->integer != 0;
    if (field->number == normalizer_dummy_prefix) file.add_dummy_prefix = value;
    if (field->number == normalizer_extra_whitespaces) file.remove_extra_whitespaces = value;
    if (field->number == normalizer_escape_whitespaces) file.escape_whitespaces = value;
  }
}

SentencePiece read_piece(std::string_view message, size_t id, std::string_view label) {
  SentencePiece piece;
  Fields fields(message, label);
  while (const auto field = fields.next()) {
    if (field->number == piece_text && field->wire_type == 2) piece.text = field->bytes;
    if (field->number == piece_score && field->wire_type == 5) {
      piece.score = std::bit_cast<float>(static_cast<uint32_t>(field->integer));
    }
    if (field->number == piece_type && field->wire_type == 0) {
      if (field->integer < 1 || field->integer > 6) {
        bad_input("{}: piece {} is of type {}, which is not known", label, id, field->integer);
      }
      piece.type = static_cast<PieceType>(field->integer);
    }
  }
  if (!std::isfinite(piece.score)) bad_input("{}: the score of piece {} is not a finite number", label, id);
  if (piece.text.empty()) bad_input("{}: piece {} is empty", label, id);
  if (!is_valid_utf8(piece.text) || piece.text.find('\0') != piece.text.npos) {
    bad_input("{}: piece {} is not UTF-8 without zero bytes", label, id);
  }
  if (piece.text.size() > longest_piece_bytes) {
    bad_input("{}: piece {} of {} bytes is too long", label, id, piece.text.size());
  }
  return piece;
}

void read_trainer(std::string_view message, SentencePieceFile& file, std::string_view label) {
  auto type = static_cast<uint64_t>(file.algorithm);
  Fields fields(message, label);
  while (const auto field = fields.next()) {
    if (field->wire_type == 0) {
      if (field->number == trainer_model_type) type = field->integer;
      if (field->number == trainer_whitespace_as_suffix) file.treat_whitespace_as_suffix = field->integer != 0;
      if (field->number == trainer_byte_fallback) file.byte_fallback = field->integer != 0;
    }
    if (field->wire_type == 2) {
      if (field->number == trainer_unknown_surface) file.unknown_surface = field->bytes;
      if (field->number == trainer_bos_piece && !field->bytes.empty()) file.bos_piece = field->bytes;
      if (field->number == trainer_eos_piece && !field->bytes.empty()) file.eos_piece = field->bytes;
    }
  }
  if (!is_valid_utf8(file.unknown_surface) || file.unknown_surface.size() > longest_piece_bytes) {
    bad_input("{}: unk_surface is not a short text of UTF-8", label);
  }
  if (type != 1 && type != 2) {
    bad_input("{}: a SentencePiece model of type {} is not supported (unigram, 1, and BPE, 2, are)", label,
              type == 3   ? "word"
              : type == 4 ? "char"
                          : std::to_string(type));
  }
  file.algorithm = static_cast<PieceAlgorithm>(type);
}

// Unigram tells a piece that stands for no text from another of that name.
void check_names(const SentencePieceFile& file, std::string_view label) {
  std::set<std::pair<std::string_view, bool>> names;
  for (size_t id = 0; id < file.pieces.size(); ++id) {
    const SentencePiece& piece = file.pieces[id];
    if (!names.emplace(piece.text, file.algorithm == PieceAlgorithm::bpe || piece.in_text()).second) {
      bad_input("{}: piece {}, {:?}, is given twice", label, id, piece.text);
    }
  }
}

void find_unknown(SentencePieceFile& file, std::string_view label) {
  std::optional<size_t> unknown;
  for (size_t id = 0; id < file.pieces.size(); ++id) {
    if (file.pieces[id].type != PieceType::unknown) continue;
    if (unknown) bad_input("{}: pieces {} and {} are both of the type unknown", label, *unknown, id);
    unknown = id;
  }
  if (!unknown) bad_input("{}: no piece is of the type unknown", label);
  file.unknown_id = static_cast<int32_t>(*unknown);
}

// Of "<0xNN>".
std::optional<size_t> byte_of(std::string_view name) {
  uint8_t byte = 0;
  if (name.size() != 6 || !name.starts_with("<0x") || !name.ends_with('>')) return {};
  const bool read = std::from_chars(name.data() + 3, name.data() + 5, byte, 16).ptr == name.data() + 5;
  return read && fmt::format("<0x{:02X}>", byte) == name ? std::optional<size_t>(byte) : std::nullopt;
}

void find_bytes(SentencePieceFile& file, std::string_view label) {
  constexpr int32_t missing = -1;
  file.byte_ids.fill(missing);
  for (size_t id = 0; id < file.pieces.size(); ++id) {
    if (file.pieces[id].type != PieceType::byte) continue;
    const std::string& name = file.pieces[id].text;
    if (!file.byte_fallback) bad_input("{}: piece {}, {:?}, is a byte, but byte_fallback is not set", label, id, name);
    const auto byte = byte_of(name);
    if (!byte) bad_input("{}: piece {}, {:?}, is of the type byte, but names none", label, id, name);
    file.byte_ids[*byte] = static_cast<int32_t>(id);
  }
  if (!file.byte_fallback) return;
  for (size_t byte = 0; byte < file.byte_ids.size(); ++byte) {
    if (file.byte_ids[byte] == missing) bad_input("{}: byte_fallback is set, but <0x{:02X}> is missing", label, byte);
  }
}

}  // namespace

SentencePieceFile read_sentencepiece(std::string_view bytes, const std::string& label) {
  SentencePieceFile file;
  Fields fields(bytes, label);
  while (const auto field = fields.next()) {
    if (field->wire_type != 2) continue;
    if (field->number == pieces) file.pieces.push_back(read_piece(field->bytes, file.pieces.size(), label));
    if (field->number == trainer_spec) read_trainer(field->bytes, file, label);
    if (field->number == normalizer_spec) read_normalizer(field->bytes, file, label);
  }
  if (file.pieces.empty()) bad_input("{}: not a SentencePiece model: it has no pieces", label);
  if (file.pieces.size() > static_cast<size_t>(largest_token_id)) bad_input("{}: too many pieces", label);
  check_names(file, label);
  find_unknown(file, label);
  find_bytes(file, label);
  return file;
}

}  // namespace sleb
