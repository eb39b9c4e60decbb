#include "sleb/corpus/gzip.h"

#include "sleb/base/error_message.h"
#include "sleb/corpus/test_support.h"

namespace sleb {
namespace {

std::string gunzip(std::string_view compressed, uint64_t limit = gzip_limit) {
  std::string text;
  read_gzip(std::as_bytes(std::span(compressed)), "x.gz", limit, [&](std::string_view piece) { text += piece; });
  return text;
}

TEST(Gzip, GivesBackWhatWasCompressed) {
  EXPECT_EQ(gunzip(gzip("")), "");
  EXPECT_EQ(gunzip(gzip("hello\n")), "hello\n");
  std::string text;  // several pieces
  for (int i = 0; i < 200000; ++i) text += fmt::format("{},", i * 7919LL % 100003);
  EXPECT_EQ(gunzip(gzip(text)), text);
}

TEST(Gzip, MembersOneAfterTheOtherAreOneText) {
  const std::string padding(512, '\0');
  EXPECT_EQ(gunzip(gzip("one ") + gzip("") + gzip("two")), "one two");
  EXPECT_EQ(gunzip(gzip("one ") + padding + gzip("two") + padding), "one two");
}

TEST(Gzip, RefusesEveryTruncation) {
  const std::string whole = gzip("The quick brown fox jumps over the lazy dog.");
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_EQ(error_message([&] { gunzip(whole.substr(0, size)); }),
              fmt::format("x.gz: gzip stream is cut off at byte {}; fetch the file again", size));
  }
  const std::string cut_second = whole + whole.substr(0, whole.size() - 1);
  EXPECT_NE(error_message([&] { gunzip(cut_second); }).find("cut off"), std::string::npos);
}

TEST(Gzip, RefusesBytesAfterTheStream) {
  const std::string whole = gzip("text");
  const std::string expected =
      fmt::format("x.gz: other bytes follow the gzip stream, which ends at byte {}", whole.size());
  EXPECT_EQ(error_message([&] { gunzip(whole + "<html>"); }), expected);
  EXPECT_EQ(error_message([&] { gunzip(whole + std::string(8, '\0') + "<html>"); }), expected);
  EXPECT_EQ(error_message([&] { gunzip(whole + "\x1f"); }), expected);
}

TEST(Gzip, RefusesWhatIsNoGzip) {
  EXPECT_EQ(error_message([&] { gunzip("{\"text\": \"not compressed\"}"); }),
            "x.gz: broken gzip stream near byte 2: incorrect header check");
}

TEST(Gzip, ChecksTheChecksumAndTheLength) {
  const std::string whole = gzip("The quick brown fox jumps over the lazy dog.");
  for (size_t i = whole.size() - 8; i < whole.size(); ++i) {
    std::string changed = whole;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_NE(error_message([&] { gunzip(changed); }).find("x.gz: broken gzip stream near byte"), std::string::npos);
  }
}

TEST(Gzip, StopsAtTheLimit) {
  const std::string bomb = gzip(std::string(1 << 20, ' '));
  EXPECT_LT(bomb.size(), 2000U);
  EXPECT_EQ(gunzip(bomb, 1 << 20).size(), 1U << 20);
  EXPECT_EQ(error_message([&] { gunzip(bomb, (1 << 20) - 1); }),
            "x.gz: decompresses to more than 1048575 bytes, the most that is read; split the file");
  EXPECT_NE(error_message([&] { gunzip(bomb + bomb, 1 << 20); }).find("decompresses to more"), std::string::npos);
}

TEST(Gzip, StopsWhereNoTextIsThatRepetitive) {
  std::string bomb;
  const std::string member = gzip(std::string(8 << 20, ' '));
  for (int i = 0; i < 12; ++i) bomb += member;
  const std::string expected = "x.gz: " + std::to_string(bomb.size()) + " bytes swell to more than 50 times as many";
  EXPECT_TRUE(error_message([&] { gunzip(bomb); }).starts_with(expected));
}

}  // namespace
}  // namespace sleb
