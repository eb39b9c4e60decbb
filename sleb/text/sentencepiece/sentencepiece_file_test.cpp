#include "sleb/text/sentencepiece/sentencepiece_file.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "sleb/base/error_message.h"
#include "sleb/text/sentencepiece/sentencepiece_test_model.h"

namespace sleb {
namespace {

using namespace test_model;

std::string pieces() {
  return unknown_piece() + piece("a", -1) + piece("b", -2) + piece("ab", -1.5);
}
std::string bpe() {
  return pieces() + trainer(2) + normalizer({});
}

std::string error_of(std::string_view model) {
  return error_message([&] { read_sentencepiece(model, "x.model"); });
}

TEST(SentencePieceFile, HoldsPiecesAndOptions) {
  const SentencePieceFile file =
      read_sentencepiece(bpe() + bytes_field(99, "unknown fields are passed over"), "x.model");
  EXPECT_EQ(file.algorithm, PieceAlgorithm::bpe);
  ASSERT_EQ(file.pieces.size(), 4u);
  EXPECT_EQ(file.pieces[3].text, "ab");
  EXPECT_EQ(file.pieces[3].score, -1.5f);
  EXPECT_EQ(file.pieces[0].type, PieceType::unknown);
  EXPECT_FALSE(file.add_dummy_prefix);
  EXPECT_FALSE(file.charsmap);
}

TEST(SentencePieceFile, HasTheFormatsDefaults) {
  const SentencePieceFile file = read_sentencepiece(pieces(), "x.model");
  EXPECT_EQ(file.algorithm, PieceAlgorithm::unigram);
  EXPECT_TRUE(file.add_dummy_prefix && file.remove_extra_whitespaces && file.escape_whitespaces);
  EXPECT_FALSE(file.treat_whitespace_as_suffix || file.byte_fallback);
  EXPECT_EQ(file.bos_piece, "<s>");
  EXPECT_EQ(file.unknown_surface, " \xE2\x81\x87 ");
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

TEST(SentencePieceFile, PiecesThatDontFitTogetherAreRefused) {
  EXPECT_EQ(error_of(piece("a") + trainer(2)), "x.model: no piece is of the type unknown");
  EXPECT_EQ(error_of(pieces() + piece("c", 0, 2)), "x.model: pieces 0 and 4 are both of the type unknown");
  EXPECT_EQ(error_of(pieces() + piece("a")), "x.model: piece 4, \"a\", is given twice");
  EXPECT_EQ(error_of(bpe() + piece("a", 0, 3)), "x.model: piece 4, \"a\", is given twice");
  EXPECT_EQ(error_of(pieces() + piece("a", 0, 3)), "no error");  // Unigram tells them apart
  EXPECT_EQ(error_of(pieces() + piece("<0x41>", 0, 6)),
            "x.model: piece 4, \"<0x41>\", is a byte, but byte_fallback is not set");
  const std::string fallback = trainer(2, number(35, 1));
  EXPECT_EQ(error_of(pieces() + piece("<0x41>", 0, 6) + fallback),
            "x.model: byte_fallback is set, but <0x00> is missing");
  for (const char* name : {"<0x4>", "<0xfF>", "<0x+4>", "<0xZZ>", "<0x412>", "A"}) {
    EXPECT_EQ(error_of(pieces() + piece(name, 0, 6) + fallback),
              fmt::format("x.model: piece 4, \"{}\", is of the type byte, but names none", name));
  }
}

TEST(SentencePieceFile, DamagedNormalizersAreRefused) {
  const std::string texts("y\0", 2);
  const std::string empty_trie(1024, '\0');
  EXPECT_EQ(error_of(bpe() + normalizer({u32(1024) + empty_trie + texts})), "no error");
  const uint32_t outside = 0x1FFFFF << 10, value_outside = 1U << 8;
  for (const std::string& table :
       {std::string("x"), u32(0), u32(8) + "1234567", u32(~0U) + texts, u32(0) + texts, u32(3) + "123" + texts,
        u32(4) + u32(0) + texts, u32(1024) + empty_trie + "\x80",
        u32(1024) + u32(outside) + empty_trie.substr(4) + texts,
        u32(1024) + empty_trie.substr(8) + u32(outside) + u32(0) + texts,
        u32(1024) + u32(value_outside | 1U << 10) + u32(1U << 31 | 3) + empty_trie.substr(8) + texts}) {
    const std::string message = error_of(bpe() + normalizer({table}));
    EXPECT_TRUE(message.starts_with("x.model: precompiled_charsmap: ")) << message;
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
