#include "sleb/corpus/self_text_cache.h"

#include <gtest/gtest.h>

#include "sleb/corpus/test_support.h"

namespace sleb {
namespace {
namespace fs = std::filesystem;

class Notes : public Progress {
 public:
  void begin(std::string_view, uint64_t, std::string_view) override {}
  void advance(uint64_t) override {}
  void end() override {}
  void note(std::string_view line) override { text += line; }

  std::string text;
};

class SelfTextCacheTest : public testing::Test {
 protected:
  SelfTextCache cache(uint64_t seed) const { return {folder_.path() / "deep" / "down", {{"seed", seed}}}; }

  const std::vector<int64_t> ids_ = {5, 0, 123456, 7};
  ScratchFolder folder_;
  Notes notes_;
};

TEST_F(SelfTextCacheTest, KeepsATextForItsKey) {
  EXPECT_EQ(cache(1).load(4, notes_), std::nullopt);
  cache(1).save(ids_, notes_);
  EXPECT_EQ(cache(1).load(4, notes_), ids_);
  EXPECT_EQ(cache(2).load(4, notes_), std::nullopt);
  EXPECT_EQ(notes_.text, "");
}

TEST_F(SelfTextCacheTest, AFileOfAnotherKeyCountsAsNone) {
  cache(1).save(ids_, notes_);
  fs::rename(cache(1).file(), cache(2).file());
  EXPECT_EQ(cache(2).load(4, notes_), std::nullopt);
  EXPECT_NE(notes_.text.find("key: of another text"), std::string::npos) << notes_.text;
}

TEST_F(SelfTextCacheTest, EveryChangeOfAByteIsNoticed) {
  cache(1).save(ids_, notes_);
  const std::string whole = read_file(cache(1).file());
  for (size_t place = 0; place + 1 < whole.size(); ++place) {  // the last is a newline
    std::string spoilt = whole;
    spoilt[place] = static_cast<char>(spoilt[place] ^ 1);
    write_file_atomically(cache(1).file(), spoilt);
    notes_.text.clear();
    EXPECT_EQ(cache(1).load(4, notes_), std::nullopt) << spoilt;
    EXPECT_NE(notes_.text.find("the kept text is damaged, and written anew: "), std::string::npos);
  }
  for (size_t size = 0; size + 1 < whole.size(); ++size) {
    write_file_atomically(cache(1).file(), whole.substr(0, size));
    EXPECT_EQ(cache(1).load(4, notes_), std::nullopt) << size;
  }
}

TEST_F(SelfTextCacheTest, WhereNothingCanBeWrittenAWarningIsAll) {
  folder_.write("deep", "a file in the folder's place");
  cache(1).save(ids_, notes_);
  EXPECT_NE(notes_.text.find("the text is used, but can't be kept for the next time: "), std::string::npos);
  const SelfTextCache nowhere({}, {{"seed", 1}});
  nowhere.save(ids_, notes_);
  EXPECT_EQ(nowhere.load(4, notes_), std::nullopt);
}

}  // namespace
}  // namespace sleb
