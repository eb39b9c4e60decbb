#include "sleb/text/sources/sentencepiece_file.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "sleb/base/error.h"
#include "sleb/text/sources/sentencepiece_model.h"

namespace sleb {
namespace {

// Protocol Buffers by hand.
std::string varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  return bytes + static_cast<char>(value);
}
std::string number(uint32_t field, uint64_t value) {
  return varint(field << 3) + varint(value);
}
std::string bytes_field(uint32_t field, std::string_view content) {
  return varint(field << 3 | 2) + varint(content.size()) + std::string(content);
}
std::string floating(uint32_t field, float value) {
  std::string bytes(sizeof(value), '\0');
  std::memcpy(bytes.data(), &value, sizeof(value));
  return varint(field << 3 | 5) + bytes;
}

std::string piece(std::string_view text, float score = 0, uint64_t type = 1) {
  return bytes_field(1, bytes_field(1, text) + floating(2, score) + number(3, type));
}
std::string trainer(uint64_t model_type) {
  return bytes_field(2, number(3, model_type));
}
std::string normalizer(std::string_view charsmap) {
  return bytes_field(3, bytes_field(2, charsmap) + number(3, 0));
}
std::string u32(uint32_t value) {
  std::string bytes(sizeof(value), '\0');
  std::memcpy(bytes.data(), &value, sizeof(value));
  return bytes;
}

std::string pieces() {
  return piece("<unk>", 0, 2) + piece("a", -1) + piece("b", -2) + piece("ab", -1.5);
}
std::string bpe() {
  return pieces() + trainer(2) + normalizer("");
}

std::string error_of(std::string_view model) {
  try {
    open_sentencepiece(model, "x.model");
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::bad_input);
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
    return error.what();
  }
  return "no error";
}

TEST(SentencePieceFile, IsReadByTheLibrary) {
  const SentencePieceFile file =
      open_sentencepiece(bpe() + bytes_field(99, "unknown fields are passed over"), "x.model");
  EXPECT_EQ(file.algorithm, PieceAlgorithm::bpe);
  EXPECT_EQ(file.processor->GetPieceSize(), 4);
  EXPECT_EQ(file.types[0], PieceType::unknown);
  EXPECT_EQ(open_sentencepiece(pieces(), "x.model").algorithm, PieceAlgorithm::unigram);
}

TEST(SentencePieceFile, IsAModel) {
  const SentencePieceModel model(open_sentencepiece(bpe(), "x.model"));
  std::vector<int64_t> ids;
  model.encode(Pieces{"abba"}, ids);
  EXPECT_EQ(ids, (std::vector<int64_t>{3, 2, 1}));
  EXPECT_EQ(model.type(), "BPE");
  EXPECT_EQ(model.id_of("ab"), 3);
  EXPECT_EQ(model.id_of("ba"), std::nullopt);
  EXPECT_EQ(model.tokens().size(), 4u);
}

TEST(SentencePieceFile, MalformedMessagesAreRefused) {
  const std::string damaged = "x.model: damaged, or not a SentencePiece model";
  for (const std::string& model :
       {std::string("not a model"), std::string("\x0A\xFF", 2), std::string(12, '\xFF'), std::string("\x0B", 1),
        std::string("\0\0", 2), varint(1 << 3 | 2) + varint(~uint64_t{0}) + "x", bytes_field(1, "\x0A\x7Fx"),
        bpe() + std::string("\x15\x01", 2), pieces() + bytes_field(3, "\x12\x09x"),
        pieces() + bytes_field(2, "\x18")}) {
    EXPECT_EQ(error_of(model), damaged);
  }
  EXPECT_EQ(error_of(""), "x.model: not a SentencePiece model: it has no pieces");
  EXPECT_EQ(error_of(trainer(2)), "x.model: not a SentencePiece model: it has no pieces");
}

TEST(SentencePieceFile, MalformedPiecesAreRefused) {
  EXPECT_EQ(error_of(pieces() + piece("")), "x.model: piece 4 is empty");
  EXPECT_EQ(error_of(pieces() + piece("\xFF")), "x.model: piece 4 is not UTF-8 without zero bytes");
  EXPECT_EQ(error_of(pieces() + piece(std::string("\0x", 2))), "x.model: piece 4 is not UTF-8 without zero bytes");
  EXPECT_EQ(error_of(pieces() + piece("c", std::nanf(""))), "x.model: the score of piece 4 is not a finite number");
  EXPECT_EQ(error_of(pieces() + piece("c", -std::numeric_limits<float>::infinity())),
            "x.model: the score of piece 4 is not a finite number");
  EXPECT_EQ(error_of(pieces() + piece("c", 0, 7)), "x.model: piece 4 is of type 7, which is not known");
  EXPECT_EQ(error_of(pieces() + piece(std::string(4097, 'c'))), "x.model: piece 4 of 4097 bytes is too long");
  EXPECT_EQ(error_of(pieces() + trainer(4)),
            "x.model: a SentencePiece model of type char is not supported (unigram, 1, and BPE, 2, are)");
  EXPECT_EQ(error_of(pieces() + trainer(9)),
            "x.model: a SentencePiece model of type 9 is not supported (unigram, 1, and BPE, 2, are)");
}

TEST(SentencePieceFile, WhatTheLibraryRefusesIsOneError) {
  const std::string refused = "x.model: libsentencepiece refuses it: ";
  EXPECT_EQ(error_of(piece("a") + trainer(2)).substr(0, refused.size()), refused);                   // no unknown piece
  EXPECT_EQ(error_of(pieces() + piece("a") + trainer(2)).substr(0, refused.size()), refused);        // twice
  EXPECT_EQ(error_of(pieces() + piece("c", 0, 2) + trainer(1)).substr(0, refused.size()), refused);  // two unknown
}

// The library follows these tables without bounds.
TEST(SentencePieceFile, DamagedNormalizersAreRefused) {
  const std::string damaged = "x.model: the table of its normalizer is damaged";
  const std::string texts("y\0", 2);
  const std::string empty_trie(1024, '\0');
  EXPECT_EQ(error_of(bpe() + normalizer(u32(1024) + empty_trie + texts)), "no error");
  const uint32_t outside = 0x1FFFFF << 10, value_outside = 1U << 8;
  for (const std::string& table :
       {std::string("x"), u32(0), u32(8) + "12345678", u32(~0U) + texts, u32(0) + texts, u32(3) + "123" + texts,
        u32(4) + u32(0) + texts, u32(1024) + empty_trie + "y", u32(1024) + u32(outside) + empty_trie.substr(4) + texts,
        u32(1024) + empty_trie.substr(8) + u32(outside) + u32(0) + texts,
        u32(1024) + u32(value_outside | 1U << 10) + u32(1U << 31 | 2) + empty_trie.substr(8) + texts}) {
    EXPECT_EQ(error_of(bpe() + normalizer(table)), damaged);
    EXPECT_EQ(error_of(bpe() + bytes_field(5, bytes_field(2, table))), damaged);
  }
}

TEST(SentencePieceFile, EveryPrefixIsAModelOrRefused) {
  const std::string whole = bpe();
  for (size_t size = 0; size < whole.size(); ++size) {
    const std::string message = error_of(std::string_view(whole).substr(0, size));
    EXPECT_TRUE(message == "no error" || message.starts_with("x.model: ")) << message;
  }
}

}  // namespace
}  // namespace sleb
