#include "sleb/checkpoint/formats/gguf.h"

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <limits>

#include "sleb/checkpoint/formats/gguf/test_support.h"

namespace sleb {
namespace {
namespace fs = std::filesystem;
using namespace gguf_files;
using testing_files::bytes_of;
using testing_files::refusal_of;
using testing_files::TemporaryFolder;

std::string refusal(const std::string& content) {
  const TemporaryFolder folder;
  const fs::path path = folder.write("x.gguf", content);
  const std::string message = refusal_of([&] { GgufFile{path}; });
  EXPECT_TRUE(message.starts_with(path.string() + ": ")) << message;
  return message.substr(std::min(message.size(), path.string().size() + 2));
}

std::string refusal_of_metadata(const std::string& one) {
  return refusal(Gguf{.metadata = {one}}.bytes());
}

std::string refusal_of_tensors(std::vector<std::string> tensors, size_t data_bytes) {
  return refusal(Gguf{.tensors = std::move(tensors), .data_bytes = data_bytes}.bytes());
}

Gguf everything() {
  return {
      .metadata = {entry<uint8_t>("u8", u8, 200), entry<int8_t>("i8", i8, -7), entry<uint16_t>("u16", u16, 60000),
                   entry<int16_t>("i16", i16, -30000), entry<uint32_t>("u32", u32, 4000000000),
                   entry<int32_t>("i32", i32, -2000000000), entry("f32", f32, 0.5F), entry<uint8_t>("yes", boolean, 1),
                   entry("text", "h\xc3\xa9llo"), entry<uint64_t>("u64", u64, ~uint64_t{0}),
                   entry<int64_t>("i64", i64, -5), entry("f64", f64, 0.1),
                   entry("u16s", u16, 2, bytes_of<uint16_t>(1) + bytes_of<uint16_t>(65535)),
                   entry("i32s", i32, 1, bytes_of<int32_t>(-1)), entry("f32s", f32, 1, bytes_of(0.25F)),
                   entry("bools", boolean, 3, std::string("\1\0\1", 3)),
                   entry("texts", string, 3, text("a") + text("") + text("\xf0\x9f\x98\x80")),
                   entry("none", string, 0, "")},
      .tensors = {tensor("w", {32, 3}, ggml_q4_1, 0), tensor("b", {3}, ggml_f32, 64), tensor("s", {}, ggml_bf16, 96)},
      .data_bytes = 98};
}

TEST(Gguf, ReadsWhatTheFormatAllows) {
  const TemporaryFolder folder;
  const fs::path path = folder.write("x.gguf", everything().bytes());
  const GgufFile file(path);
  EXPECT_EQ(file.label(), path.string());
  EXPECT_EQ(file.version(), 3U);
  EXPECT_EQ(file.file_bytes(), fs::file_size(path));
  EXPECT_EQ(file.metadata().size(), 18U);
  EXPECT_EQ(file.integer("u8"), 200);
  EXPECT_EQ(file.integer("i8"), -7);
  EXPECT_EQ(file.integer("u16"), 60000);
  EXPECT_EQ(file.integer("i16"), -30000);
  EXPECT_EQ(file.integer("u32"), 4000000000);
  EXPECT_EQ(file.find_integer("i32"), -2000000000);
  EXPECT_EQ(file.find_number("f32"), 0.5);
  EXPECT_EQ(file.find_boolean("yes"), true);
  EXPECT_EQ(file.string("text"), "h\xc3\xa9llo");
  EXPECT_EQ(std::get<uint64_t>(file.metadata().at("u64")), ~uint64_t{0});
  EXPECT_EQ(file.integer("i64"), -5);
  EXPECT_EQ(file.find_number("i64"), -5);
  EXPECT_EQ(file.find_number("f64"), 0.1);
  EXPECT_EQ(file.integers("u16s"), (std::vector<int64_t>{1, 65535}));
  EXPECT_EQ(file.integers("i32s"), (std::vector<int64_t>{-1}));
  EXPECT_EQ(std::get<std::vector<double>>(file.metadata().at("f32s")), std::vector<double>{0.25});
  EXPECT_EQ(std::get<std::vector<bool>>(file.metadata().at("bools")), (std::vector<bool>{true, false, true}));
  EXPECT_EQ(file.strings("texts"), (std::vector<std::string>{"a", "", "\xf0\x9f\x98\x80"}));
  EXPECT_TRUE(file.strings("none").empty());

  ASSERT_EQ(file.tensors().size(), 3U);
  const StoredTensor& w = file.tensors().at("w");
  EXPECT_EQ(w.type, StoredType::q4_1);
  EXPECT_EQ(w.shape, (std::vector<int64_t>{3, 32}));
  EXPECT_EQ(w.data.size(), 60U);
  EXPECT_EQ(file.tensors().at("b").data.data() - w.data.data(), 64);
  EXPECT_EQ(file.tensors().at("s").elements(), 1);
}

TEST(Gguf, TellsAbsentValuesFromWrongOnes) {
  const TemporaryFolder folder;
  Gguf gguf = everything();
  gguf.metadata.push_back(entry("nan", f64, std::numeric_limits<double>::quiet_NaN()));
  const fs::path path = folder.write("x.gguf", gguf.bytes());
  const GgufFile file(path);
  EXPECT_FALSE(file.has("absent"));
  EXPECT_EQ(file.find_integer("absent"), std::nullopt);
  EXPECT_EQ(file.find_number("absent"), std::nullopt);
  EXPECT_EQ(file.find_boolean("absent"), std::nullopt);
  EXPECT_EQ(file.find_string("absent"), std::nullopt);
  const std::pair<std::function<void()>, std::string> cases[] = {
      {[&] { file.integer("absent"); }, "'absent': missing"},
      {[&] { file.string("absent"); }, "'absent': missing"},
      {[&] { file.strings("absent"); }, "'absent': missing"},
      {[&] { file.integers("absent"); }, "'absent': missing"},
      {[&] { file.integer("text"); }, "'text': not an integer"},
      {[&] { file.find_integer("f32"); }, "'f32': not an integer"},
      {[&] { file.find_integer("yes"); }, "'yes': not an integer"},
      {[&] { file.integer("u64"); }, "'u64': 18446744073709551615 is too large"},
      {[&] { file.find_number("yes"); }, "'yes': not a number"},
      {[&] { file.find_number("nan"); }, "'nan': not a finite number"},
      {[&] { file.find_boolean("u8"); }, "'u8': not a boolean"},
      {[&] { file.find_string("texts"); }, "'texts': not a string"},
      {[&] { file.strings("u16s"); }, "'u16s': not an array of strings"},
      {[&] { file.integers("f32s"); }, "'f32s': not an array of integers"},
  };
  for (const auto& [action, expected] : cases) EXPECT_EQ(refusal_of(action), path.string() + ": metadata " + expected);
}

TEST(Gguf, RefusesAFileCutAnywhere) {
  const std::string whole = everything().bytes();
  for (size_t length = 0; length < whole.size(); ++length) refusal(whole.substr(0, length));
  EXPECT_EQ(refusal(""), "header: the file ends inside it");
}

TEST(Gguf, RefusesOtherFormatsAndVersions) {
  EXPECT_EQ(refusal(Gguf{.magic = "GGML"}.bytes()), "not a GGUF file");
  EXPECT_EQ(refusal(Gguf{.magic = "FUGG"}.bytes()), "not a GGUF file");
  for (const uint32_t version : {0U, 1U, 4U, 0x00030003U}) {
    EXPECT_EQ(refusal(Gguf{.version = version}.bytes()),
              fmt::format("GGUF version {} is not supported (2 and 3 are)", version));
  }
  EXPECT_EQ(refusal(Gguf{.version = 0x03000000}.bytes()), "a big-endian GGUF file; convert it to little-endian");
  const TemporaryFolder folder;
  EXPECT_EQ(GgufFile(folder.write("x", Gguf{.version = 2}.bytes())).version(), 2U);
}

TEST(Gguf, RefusesHugeCounts) {
  const std::string start = "GGUF" + bytes_of<uint32_t>(3);
  const std::string one_metadata = start + bytes_of<uint64_t>(0) + bytes_of<uint64_t>(1);
  const std::string one_string = one_metadata + text("k") + bytes_of<uint32_t>(string);
  for (const uint64_t count : {uint64_t{33}, uint64_t{1} << 40, uint64_t{1} << 63, ~uint64_t{0}}) {
    const auto few = [&](std::string_view place, size_t remaining) {
      return fmt::format("{}: a count of {}, for which the file's remaining {} bytes are too few", place, count,
                         remaining);
    };
    EXPECT_EQ(refusal(start + bytes_of(count) + bytes_of<uint64_t>(0)), few("number of tensors", 8));
    EXPECT_EQ(refusal(start + bytes_of<uint64_t>(0) + bytes_of(count)), few("number of metadata", 0));
    EXPECT_EQ(refusal(one_metadata + bytes_of(count) + std::string(20, 'k')), few("key of metadata 0", 20));
    EXPECT_EQ(refusal(one_string + bytes_of(count) + std::string(20, 'v')), few("metadata 'k'", 20));
    for (const uint32_t type : {u8, i16, u32, f32, boolean, string, u64, f64}) {
      EXPECT_EQ(refusal(one_metadata + entry("k", type, count, std::string(32, '\0'))), few("metadata 'k'", 32));
    }
  }
}

TEST(Gguf, RefusesBadMetadata) {
  EXPECT_EQ(refusal_of_metadata(entry<uint8_t>("k", 13, 0)), "metadata 'k': unknown value type 13");
  EXPECT_EQ(refusal_of_metadata(entry<uint8_t>("k", 0xffffffff, 0)), "metadata 'k': unknown value type 4294967295");
  EXPECT_EQ(refusal_of_metadata(entry("k", 77, 0, "")), "metadata 'k': unknown value type 77");
  EXPECT_EQ(refusal_of_metadata(entry("k", array, 1, bytes_of<uint32_t>(u8) + bytes_of<uint64_t>(0))),
            "metadata 'k': arrays of arrays are not supported");
  std::string nested;
  for (int i = 0; i < 100000; ++i) nested += bytes_of<uint32_t>(array) + bytes_of<uint64_t>(1);
  EXPECT_EQ(refusal_of_metadata(text("k") + bytes_of<uint32_t>(array) + nested),
            "metadata 'k': arrays of arrays are not supported");
  EXPECT_EQ(refusal_of_metadata(entry<uint8_t>("k", boolean, 2)), "metadata 'k': 2 is not a boolean (0 or 1)");
  EXPECT_EQ(refusal_of_metadata(entry("k", boolean, 2, "\1\7")), "metadata 'k': 7 is not a boolean (0 or 1)");
  EXPECT_EQ(refusal_of_metadata(entry("k", u64, 1, bytes_of(~uint64_t{0}))),
            "metadata 'k': element 0 is 18446744073709551615, which is too large");
  EXPECT_EQ(refusal(Gguf{.metadata = {entry("k", "1"), entry("k", "2")}}.bytes()), "metadata 'k': given twice");
}

TEST(Gguf, RefusesTextThatIsNotUtf8) {
  for (const std::string bad : {"\xff", "a\x80", "\xc0\x80", "\xe2\x82", "\xe0\x80\x80", "\xed\xa0\x80",
                                "\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x28\xa1"}) {
    EXPECT_EQ(refusal_of_metadata(entry("k", bad)), "metadata 'k': a string is not UTF-8");
    EXPECT_EQ(refusal_of_metadata(entry("k", string, 2, text("good") + text(bad))),
              "metadata 'k': a string is not UTF-8");
    EXPECT_EQ(refusal_of_metadata(entry(bad, "v")), "key of metadata 0: a string is not UTF-8");
    EXPECT_EQ(refusal_of_tensors({tensor(bad, {1}, ggml_f32, 0)}, 4), "name of tensor 0: a string is not UTF-8");
  }
  EXPECT_EQ(refusal_of_tensors({tensor("a\nb", {1}, 99, 0)}, 4), "tensor 'a\\x0ab': unknown tensor type 99");
}

TEST(Gguf, RefusesBadShapesAndTypes) {
  EXPECT_EQ(refusal_of_tensors({tensor("t", {1, 1, 1, 1, 1}, ggml_f32, 0)}, 4), "tensor 't': 5 dimensions (at most 4)");
  EXPECT_EQ(refusal_of_tensors({text("t") + bytes_of(~uint32_t{0}) + std::string(64, '\1')}, 4),
            "tensor 't': 4294967295 dimensions (at most 4)");
  EXPECT_EQ(refusal_of_tensors({tensor("t", {uint64_t{1} << 63}, ggml_f32, 0)}, 4),
            "tensor 't': a dimension of 9223372036854775808 is too large");
  EXPECT_EQ(refusal_of_tensors({tensor("t", {uint64_t{1} << 32, uint64_t{1} << 32}, ggml_f32, 0)}, 4),
            "tensor 't': shape [4294967296, 4294967296] is too large");
  EXPECT_EQ(refusal_of_tensors({tensor("t", {(uint64_t{1} << 62) + 1}, ggml_f32, 0)}, 4),  // 4 + 2^64 bytes
            "tensor 't': shape [4611686018427387905] is too large");
  EXPECT_EQ(refusal_of_tensors({tensor("t", {33}, ggml_q4_1, 0)}, 40),
            "tensor 't': rows of 33 elements are not whole Q4_1 blocks of 32");
  EXPECT_EQ(refusal_of_tensors({tensor("t", {16, 2}, ggml_q8_0, 0)}, 34),
            "tensor 't': rows of 16 elements are not whole Q8_0 blocks of 32");
  EXPECT_EQ(refusal_of_tensors({tensor("t", {}, ggml_q8_0, 0)}, 34),
            "tensor 't': rows of 1 elements are not whole Q8_0 blocks of 32");
  EXPECT_EQ(refusal_of_tensors({tensor("t", {32}, ggml_q4_k, 0)}, 144),
            "tensor 't': rows of 32 elements are not whole Q4_K blocks of 256");
  EXPECT_EQ(refusal_of_tensors({tensor("t", {1}, ggml_i32, 0)}, 4),
            "tensor 't': type I32 is not supported; requantize the model to Q8_0, for example");
  EXPECT_EQ(refusal_of_tensors({tensor("t", {1}, 42, 0)}, 4),
            "tensor 't': type Q2_0 is not supported; requantize the model to Q8_0, for example");
  EXPECT_EQ(refusal_of_tensors({tensor("t", {1}, 43, 0)}, 4), "tensor 't': unknown tensor type 43");
}

TEST(Gguf, RefusesBadDataOffsets) {
  const auto placed = [](uint64_t first, uint64_t second, size_t data) {
    return refusal_of_tensors({tensor("a", {4}, ggml_f32, first), tensor("b", {4}, ggml_f32, second)}, data);
  };
  EXPECT_EQ(placed(0, 16, 80), "tensor 'b': its data's offset 16 is not a multiple of 32");
  EXPECT_EQ(placed(0, 0, 80), "tensor 'b': its data's offset is 0, where 32 follows");
  EXPECT_EQ(placed(0, 64, 80), "tensor 'b': its data's offset is 64, where 32 follows");
  EXPECT_EQ(placed(32, 0, 80), "tensor 'a': its data's offset is 32, where 0 follows");
  EXPECT_EQ(placed(0, ~uint64_t{31}, 80), "tensor 'b': its data's offset is 18446744073709551584, where 32 follows");
  EXPECT_EQ(placed(0, 32, 47),
            "tensor 'b': its 16 bytes of data at 32 end past the 47 that the file holds: cut short?");
  EXPECT_EQ(placed(0, 32, 20),
            "tensor 'b': its 16 bytes of data at 32 end past the 20 that the file holds: cut short?");
  EXPECT_EQ(placed(0, 32, 0), "tensor 'a': its 16 bytes of data at 0 end past the 0 that the file holds: cut short?");
  EXPECT_EQ(refusal_of_tensors({tensor("a", {4}, ggml_f32, 0), tensor("a", {4}, ggml_f32, 32)}, 64),
            "tensor 'a': described twice");
}

TEST(Gguf, KeepsTheAlignmentThatTheFileAsksFor) {
  const auto aligned = [](uint32_t alignment, size_t padded) {
    return Gguf{.metadata = {entry("general.alignment", u32, alignment)},
                .tensors = {tensor("a", {4}, ggml_f32, 0), tensor("b", {4}, ggml_f32, padded)},
                .alignment = padded,
                .data_bytes = padded + 16};
  };
  const TemporaryFolder folder;
  const GgufFile file(folder.write("x.gguf", aligned(64, 64).bytes()));
  EXPECT_EQ(file.tensors().at("b").data.data() - file.tensors().at("a").data.data(), 64);
  EXPECT_EQ(refusal(aligned(64, 32).bytes()), "tensor 'b': its data's offset 32 is not a multiple of 64");
  for (const uint32_t bad : {0U, 3U, 33U, 48U, ~uint32_t{0}}) {
    EXPECT_EQ(refusal(aligned(bad, 32).bytes()),
              fmt::format("metadata 'general.alignment': {} is not a power of two", bad));
  }
  EXPECT_NE(refusal(aligned(1U << 31, 32).bytes()).find("end past the 0"), std::string::npos);
  EXPECT_EQ(refusal_of_metadata(entry("general.alignment", i64, int64_t{-32})),
            "metadata 'general.alignment': -32 is not a power of two");
  EXPECT_EQ(refusal_of_metadata(entry("general.alignment", "32")), "metadata 'general.alignment': not an integer");
  EXPECT_NE(refusal(Gguf{.metadata = {entry("general.alignment", u64, uint64_t{1} << 62)},
                         .tensors = {tensor("a", {4}, ggml_f32, 0)},
                         .data_bytes = 16}
                        .bytes())
                .find("end past the 0"),
            std::string::npos);
}

// Sparse: of the 20 GiB only the header and a page are on the disk, or ever read.
TEST(Gguf, TensorsBeyondFourGibibytes) {
  const TemporaryFolder folder;
  const uint64_t rows = uint64_t{5} << 20;  // of 2048 bfloat16: 20 GiB
  const uint64_t bytes = rows * 4096;
  const std::string header =
      Gguf{.tensors = {tensor("big", {2048, rows}, ggml_bf16, 0), tensor("last", {4}, ggml_f32, bytes)}}.bytes();
  const fs::path path = folder.write("x.gguf", header);
  fs::resize_file(path, header.size() + bytes + 16);
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(header.size() + bytes - 2));
  file << bytes_of<uint16_t>(0x3f80) << bytes_of(2.0F);
  file.close();

  const GgufFile gguf(path);
  const StoredTensor& big = gguf.tensors().at("big");
  EXPECT_EQ(big.data.size(), bytes);
  std::vector<float> row(2048);
  decode(big.type, big.data.last(4096), row);
  EXPECT_EQ(row[2046], 0);
  EXPECT_EQ(row[2047], 1);
  std::vector<float> last(4);
  decode(gguf.tensors().at("last").type, gguf.tensors().at("last").data, last);
  EXPECT_EQ(last, (std::vector<float>{2, 0, 0, 0}));

  fs::resize_file(path, header.size() + bytes + 15);
  EXPECT_EQ(refusal_of([&] { GgufFile{path}; }),
            fmt::format("{}: tensor 'last': its 16 bytes of data at {} end past the {} that the file holds: cut short?",
                        path.string(), bytes, bytes + 15));
}

}  // namespace
}  // namespace sleb
