#include "sleb/text/sources/sentencepiece_file.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>

#include "sleb/base/error.h"
#include "sleb/text/sources/tokenizer_json.h"
#include "sleb/text/unicode/utf8.h"

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
enum ModelField : uint32_t { pieces = 1, trainer_spec = 2, normalizer_spec = 3, denormalizer_spec = 5 };
enum PieceField : uint32_t { piece_text = 1, piece_score = 2, piece_type = 3 };
enum TrainerField : uint32_t { trainer_model_type = 3, trainer_unknown_surface = 44 };
enum NormalizerField : uint32_t {
  normalizer_charsmap = 2,
  normalizer_dummy_prefix = 3,
  normalizer_extra_whitespaces = 4
};

// A table of rewritings: the size of a trie, the trie, and the texts that its values point into, each ended by a zero
// byte. The trie is a double array of 32-bit units as darts-clone writes it: a node's children lie at (its place xor
// its offset xor a byte), and its value at (its place xor its offset).
void check_charsmap(std::string_view table, std::string_view label) {
  const auto damaged = [&]() { bad_input("{}: the table of its normalizer is damaged", label); };
  if (table.empty()) return;
  uint32_t trie_bytes = 0;
  if (table.size() <= sizeof(trie_bytes)) damaged();
  std::memcpy(&trie_bytes, table.data(), sizeof(trie_bytes));
  table.remove_prefix(sizeof(trie_bytes));
  if (trie_bytes >= table.size() || trie_bytes == 0 || trie_bytes % sizeof(uint32_t) != 0) damaged();
  std::vector<uint32_t> units(trie_bytes / sizeof(uint32_t));
  std::memcpy(units.data(), table.data(), trie_bytes);
  const std::string_view texts = table.substr(trie_bytes);
  if (texts.back() != '\0') damaged();
  constexpr uint32_t is_value = 1U << 31, has_value = 1U << 8, wide_offset = 1U << 9;
  for (size_t place = 0; place < units.size(); ++place) {
    const uint32_t unit = units[place];
    if (place != 0 && (unit & is_value) != 0) continue;
    const size_t base = place ^ (static_cast<size_t>(unit >> 10) << ((unit & wide_offset) >> 6));
    if ((base | 0xFF) >= units.size()) damaged();
    if ((unit & has_value) != 0 && (units[base] & ~is_value) >= texts.size()) damaged();
  }
}

void check_normalizer(std::string_view message, std::string_view label) {
  Fields fields(message, label);
  while (const auto field = fields.next()) {
    if (field->number == normalizer_charsmap && field->wire_type == 2) check_charsmap(field->bytes, label);
  }
}

void read_normalizer(std::string_view message, SentencePieceFile& file, std::string_view label) {
  Fields fields(message, label);
  while (const auto field = fields.next()) {
    if (field->wire_type != 0) continue;
    if (field->number == normalizer_dummy_prefix) file.add_dummy_prefix = field->integer != 0;
    if (field->number == normalizer_extra_whitespaces) file.remove_extra_whitespaces = field->integer != 0;
  }
}

PieceType read_piece(std::string_view message, size_t id, std::string_view label) {
  PieceType type = PieceType::normal;
  std::string_view text;
  Fields fields(message, label);
  while (const auto field = fields.next()) {
    if (field->number == piece_text && field->wire_type == 2) text = field->bytes;
    if (field->number == piece_score && field->wire_type == 5) {
      if (!std::isfinite(std::bit_cast<float>(static_cast<uint32_t>(field->integer)))) {
        bad_input("{}: the score of piece {} is not a finite number", label, id);
      }
    }
    if (field->number == piece_type && field->wire_type == 0) {
      if (field->integer < 1 || field->integer > 6) {
        bad_input("{}: piece {} is of type {}, which is not known", label, id, field->integer);
      }
      type = static_cast<PieceType>(field->integer);
    }
  }
  if (text.empty()) bad_input("{}: piece {} is empty", label, id);
  if (!is_valid_utf8(text) || text.find('\0') != text.npos) {
    bad_input("{}: piece {} is not UTF-8 without zero bytes", label, id);
  }
  if (text.size() > longest_piece_bytes) bad_input("{}: piece {} of {} bytes is too long", label, id, text.size());
  return type;
}

void read_trainer(std::string_view message, SentencePieceFile& file, std::string_view label) {
  auto type = static_cast<uint64_t>(file.algorithm);
  Fields fields(message, label);
  while (const auto field = fields.next()) {
    if (field->number == trainer_model_type && field->wire_type == 0) type = field->integer;
    if (field->number == trainer_unknown_surface && field->wire_type == 2) file.unknown_surface = field->bytes;
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

}  // namespace

SentencePieceFile open_sentencepiece(std::string_view bytes, std::string_view label) {
  SentencePieceFile file = {.processor = nullptr, .algorithm = PieceAlgorithm::unigram, .types = {}};
  Fields fields(bytes, label);
  while (const auto field = fields.next()) {
    if (field->wire_type != 2) continue;
    if (field->number == pieces) file.types.push_back(read_piece(field->bytes, file.types.size(), label));
    if (field->number == trainer_spec) read_trainer(field->bytes, file, label);
    if (field->number == normalizer_spec || field->number == denormalizer_spec) check_normalizer(field->bytes, label);
    if (field->number == normalizer_spec) read_normalizer(field->bytes, file, label);
  }
  if (file.types.empty()) bad_input("{}: not a SentencePiece model: it has no pieces", label);
  auto processor = std::make_unique<sentencepiece::SentencePieceProcessor>();
  std::string problem;
  try {
    const auto status = processor->LoadFromSerializedProto(bytes);
    if (!status.ok()) problem = status.ToString();
  } catch (const std::exception& error) {
    problem = error.what();
  }
  if (problem.empty() && static_cast<size_t>(processor->GetPieceSize()) != file.types.size()) {
    problem = "the number of its pieces is unclear";
  }
  if (!problem.empty()) {
    for (char& character : problem) {
      if (static_cast<uint8_t>(character) < ' ') character = ' ';
    }
    bad_input("{}: libsentencepiece refuses it: {}", label, problem);
  }
  file.processor = std::move(processor);
  return file;
}

}  // namespace sleb
