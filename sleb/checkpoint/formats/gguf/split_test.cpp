#include "sleb/checkpoint/formats/gguf/split.h"

#include <gtest/gtest.h>

#include <fstream>

#include "sleb/checkpoint/formats/gguf.h"
#include "sleb/checkpoint/formats/gguf/test_support.h"

namespace sleb {
namespace {
namespace fs = std::filesystem;
using namespace gguf_files;
using testing_files::refusal_of;
using testing_files::TemporaryFolder;

struct Numbers {
  uint16_t number, count;
  int32_t tensors;
};

std::vector<std::string> split_metadata(const Numbers& split) {
  return {entry("split.no", u16, split.number), entry("split.count", u16, split.count),
          entry("split.tensors.count", i32, split.tensors)};
}

// A part with one tensor.
std::string part(const Numbers& split, std::string_view tensor_name, std::vector<std::string> metadata = {}) {
  for (std::string& one : split_metadata(split)) metadata.push_back(std::move(one));
  return Gguf{.metadata = std::move(metadata), .tensors = {tensor(tensor_name, {4}, ggml_f32, 0)}, .data_bytes = 16}
      .bytes();
}

// A model "m" in three parts: the metadata and tensor "a" in the first, "b" and "c" in the others.
class SplitGguf : public testing::Test {
 protected:
  void SetUp() override {
    write(1, part({0, 3, 3}, "a", {entry("general.architecture", "llama"), entry("general.name", "m")}));
    write(2, part({1, 3, 3}, "b"));
    write(3, part({2, 3, 3}, "c"));
  }
  fs::path path(int number) const { return folder_.path() / name(number); }
  static std::string name(int number) { return fmt::format("m-0000{}-of-00003.gguf", number); }
  void write(int number, std::string_view content) { folder_.write(name(number), content); }
  // The same from whichever part is opened.
  std::string refusal() const {
    std::string message;
    for (int number = 1; number <= 3; ++number) {
      if (!fs::exists(path(number))) continue;
      message = refusal_of([&] { GgufFile{path(number)}; });
      EXPECT_TRUE(message.starts_with(folder_.path().string() + "/")) << message;
      message = message.substr(std::min(message.size(), folder_.path().string().size() + 1));
    }
    return message;
  }
  TemporaryFolder folder_;
};

TEST_F(SplitGguf, EveryPartOpensTheWholeModel) {
  for (int number = 1; number <= 3; ++number) {
    const GgufFile file(path(number));
    EXPECT_EQ(file.label(), path(1).string());
    EXPECT_EQ(file.string("general.architecture"), "llama");
    EXPECT_EQ(file.tensors().size(), 3U);
    EXPECT_EQ(file.tensors().at("c").data.size(), 16U);
    EXPECT_EQ(file.tensors().at("c").data[15], std::byte{1});
    EXPECT_EQ(file.file_bytes(), fs::file_size(path(1)) + fs::file_size(path(2)) + fs::file_size(path(3)));
  }
}

TEST_F(SplitGguf, AFirstPartWithoutTensors) {
  write(1, Gguf{.metadata = split_metadata({0, 3, 2})}.bytes());
  write(2, part({1, 3, 2}, "b"));
  write(3, part({2, 3, 2}, "c"));
  EXPECT_EQ(GgufFile(path(1)).tensors().size(), 2U);
}

TEST_F(SplitGguf, RelativePathsAndOnePart) {
  const fs::path before = fs::current_path();
  fs::current_path(folder_.path());
  EXPECT_EQ(GgufFile(name(2)).tensors().size(), 3U);
  fs::current_path(before);
  EXPECT_EQ(GgufFile(folder_.write("whole.gguf", part({0, 1, 1}, "a"))).tensors().size(), 1U);
  EXPECT_EQ(GgufFile(folder_.write("none.gguf", part({0, 0, 1}, "a"))).tensors().size(), 1U);
}

TEST_F(SplitGguf, RefusesMissingParts) {
  fs::remove(path(2));
  EXPECT_EQ(refusal(), "m-00002-of-00003.gguf: missing, part 2 of a model in 3 parts");
  fs::create_directory(path(2));
  EXPECT_EQ(refusal_of([&] { GgufFile{path(1)}; }), path(2).string() + ": not a regular file");
}

TEST_F(SplitGguf, RefusesOtherNames) {
  for (const std::string bad : {"m.gguf", "m-00001-of-00002.gguf", "m-1-of-3.gguf", "m-00001-of-00003.gguf.gguf"}) {
    const fs::path renamed = folder_.path() / bad;
    fs::copy_file(path(1), renamed);
    EXPECT_EQ(refusal_of([&] { GgufFile{renamed}; }),
              renamed.string() +
                  ": part 1 of a model in 3 parts, the names of which must end as in "
                  "model-00001-of-00003.gguf");
  }
}

TEST_F(SplitGguf, RefusesPartsThatAreNotWhatTheirNamesSay) {
  write(2, part({2, 3, 3}, "b"));
  EXPECT_EQ(refusal_of([&] { GgufFile{path(1)}; }),
            path(2).string() + ": not part 2 of 3, as its name says: it is part 3 of 3");
  write(2, part({1, 4, 3}, "b"));
  EXPECT_EQ(refusal_of([&] { GgufFile{path(3)}; }),
            path(2).string() + ": not part 2 of 3, as its name says: it is part 2 of 4");
  write(2, Gguf{}.bytes());
  EXPECT_EQ(refusal_of([&] { GgufFile{path(1)}; }),
            path(2).string() + ": not part 2 of 3, as its name says: it is not a part");
  write(2, "GGUF");
  EXPECT_EQ(refusal_of([&] { GgufFile{path(1)}; }), path(2).string() + ": header: the file ends inside it");
}

TEST_F(SplitGguf, RefusesPartsOfAnotherModel) {
  write(3, part({2, 3, 4}, "c"));
  EXPECT_EQ(refusal_of([&] { GgufFile{path(1)}; }),
            path(3).string() +
                ": metadata 'split.tensors.count': a part of another model: of 4 tensors together, the "
                "others' of 3");
  write(3, part({2, 3, 3}, "c", {entry("general.name", "n")}));
  EXPECT_EQ(refusal(), "m-00003-of-00003.gguf: metadata 'general.name': differs from that of " + path(1).string() +
                           ": a part of another model");
  write(3, part({2, 3, 3}, "c", {entry("general.name", "m"), entry("general.alignment", u32, 32U)}));
  EXPECT_EQ(GgufFile(path(1)).tensors().size(), 3U);
}

TEST_F(SplitGguf, RefusesRepeatedAndMiscountedTensors) {
  write(3, part({2, 3, 3}, "a"));
  EXPECT_EQ(refusal(), "m-00003-of-00003.gguf: tensor 'a' is also in " + path(1).string());
  write(1, part({0, 3, 4}, "a"));
  write(2, part({1, 3, 4}, "b"));
  write(3, part({2, 3, 4}, "c"));
  EXPECT_EQ(refusal(), "m-00001-of-00003.gguf: metadata 'split.tensors.count': 4, but its 3 parts hold 3");
}

TEST_F(SplitGguf, RefusesImpossibleNumbers) {
  const auto refused = [&](std::vector<std::string> metadata) {
    write(1, Gguf{.metadata = std::move(metadata)}.bytes());
    const std::string message = refusal_of([&] { GgufFile{path(1)}; });
    return message.substr(std::min(message.size(), path(1).string().size() + 2));
  };
  EXPECT_EQ(refused({entry("split.count", u16, uint16_t{3})}), "metadata 'split.no': missing");
  EXPECT_EQ(refused({entry("split.count", u16, uint16_t{3}), entry("split.no", u16, uint16_t{0})}),
            "metadata 'split.tensors.count': missing");
  EXPECT_EQ(refused({entry("split.count", i32, -1)}), "metadata 'split.count': -1 is not a number of parts");
  EXPECT_EQ(refused({entry("split.count", u64, uint64_t{1} << 40)}),
            "metadata 'split.count': 1099511627776 is not a number of parts");
  EXPECT_EQ(refused({entry("split.count", u64, ~uint64_t{0})}),
            "metadata 'split.count': 18446744073709551615 is too large");
  EXPECT_EQ(refused({entry("split.count", "3")}), "metadata 'split.count': not an integer");
  EXPECT_EQ(refused(split_metadata({3, 3, 3})), "metadata 'split.no': 3 is not one of 3 parts");
  EXPECT_EQ(refused({entry("split.no", i32, -1), entry("split.count", u16, uint16_t{3})}),
            "metadata 'split.no': -1 is not one of 3 parts");
}

TEST_F(SplitGguf, EachPartMayBeALinkToAnotherFolder) {
  const TemporaryFolder elsewhere;
  const TemporaryFolder third;
  for (int number = 1; number <= 3; ++number) {
    const fs::path target = (number == 3 ? third : elsewhere).path() / std::to_string(number);
    fs::rename(path(number), target);
    fs::create_symlink(target, path(number));
  }
  EXPECT_EQ(GgufFile(path(2)).tensors().size(), 3U);

  std::ofstream(third.path() / "3") << "a private file";
  EXPECT_NE(refusal_of([&] { GgufFile{path(1)}; }), "");
}

}  // namespace
}  // namespace sleb
