#include "sleb/checkpoint/formats/safetensors.h"

#include <gtest/gtest.h>

#include <cstring>

#include "sleb/base/json.h"
#include "tests/untrusted_file.h"

namespace sleb {
namespace {
namespace fs = std::filesystem;
using testing_files::bytes_of;
using testing_files::refusal_of;
using testing_files::TemporaryFolder;

// The file, byte for byte: header length, header, data.
std::string safetensors(std::string_view header, size_t data_bytes) {
  return bytes_of<uint64_t>(header.size()) + std::string(header) + std::string(data_bytes, '\1');
}

std::string refusal(const std::string& content) {
  const TemporaryFolder folder;
  const fs::path path = folder.write("x.safetensors", content);
  const std::string message = refusal_of([&] { SafetensorsReader::open_file(path); });
  EXPECT_TRUE(message.starts_with(path.string() + ": ")) << message;
  return message.substr(std::min(message.size(), path.string().size() + 2));
}

// One tensor "a" with this description, and 8 bytes of data.
std::string refusal_of_tensor(std::string_view description) {
  const std::string message = refusal(safetensors(R"({"a":)" + std::string(description) + "}", 8));
  EXPECT_TRUE(message.starts_with("tensor 'a'")) << message;
  return message.substr(std::min<size_t>(message.size(), 10));
}

TEST(Safetensors, ReadsWhatTheFormatAllows) {
  const TemporaryFolder folder;
  // Header of a length that misaligns the data, in another order than the data, with an empty and a scalar tensor.
  const fs::path path =
      folder.write("x.safetensors", safetensors(R"({"__metadata__":{"format":"pt"},)"
                                                R"("b":{"dtype":"BF16","shape":[2,1],"data_offsets":[4,8]},)"
                                                R"("a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},)"
                                                R"("ids":{"dtype":"I64","shape":[1],"data_offsets":[8,16]},)"
                                                R"("none":{"dtype":"F16","shape":[0,7],"data_offsets":[8,8]}}  )",
                                                16));
  const SafetensorsReader reader = SafetensorsReader::open_file(path);
  ASSERT_EQ(reader.tensors().size(), 3U);
  EXPECT_EQ(reader.integers().size(), 1);
  EXPECT_TRUE(reader.integers().contains("ids"));
  EXPECT_EQ(reader.file_bytes(), fs::file_size(path));
  const StoredTensor& b = reader.tensors().at("b");
  EXPECT_EQ(b.name, "b");
  EXPECT_EQ(b.type, StoredType::bf16);
  EXPECT_EQ(b.shape, (std::vector<int64_t>{2, 1}));
  EXPECT_EQ(b.data.size(), 4U);
  EXPECT_EQ(b.data.data() - reader.tensors().at("a").data.data(), 4);
  EXPECT_EQ(reader.tensors().at("a").elements(), 1);
  EXPECT_EQ(reader.tensors().at("none").elements(), 0);
}

TEST(Safetensors, RefusesBadHeaders) {
  const std::string good = safetensors(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 8);
  for (size_t length = 0; length < good.size(); ++length) refusal(good.substr(0, length));

  EXPECT_EQ(refusal(""), "0 bytes are too few for a safetensors file");
  EXPECT_EQ(refusal(bytes_of<uint64_t>(0)), "the header does not begin with '{': not a safetensors file");
  EXPECT_EQ(refusal(bytes_of<uint64_t>(3) + "{}"), "a header of 3 bytes, but the file ends after 2: cut short?");
  EXPECT_EQ(refusal(bytes_of<uint64_t>(~uint64_t{0}) + "{}"),
            "a header of 18446744073709551615 bytes (at most 100000000): not a safetensors file");
  EXPECT_EQ(refusal(safetensors(" {}", 0)), "the header does not begin with '{': not a safetensors file");
  EXPECT_EQ(refusal(safetensors("[]", 0)), "the header does not begin with '{': not a safetensors file");
  EXPECT_TRUE(refusal(safetensors("{", 0)).starts_with("not valid JSON"));
  EXPECT_TRUE(refusal(safetensors("{}{}", 0)).starts_with("not valid JSON"));
  EXPECT_TRUE(refusal(safetensors("{\"a\xff\":1}", 0)).starts_with("not valid JSON"));
  const std::string deep = R"({"a":)" + std::string(100000, '[') + std::string(100000, ']') + "}";
  EXPECT_EQ(refusal(safetensors(deep, 0)), "nested deeper than 128 levels");
  EXPECT_EQ(refusal(safetensors(R"({"__metadata__":[]})", 0)), "__metadata__: expected an object");
  EXPECT_EQ(refusal(safetensors(R"({"__metadata__":{"format":1}})", 0)), "__metadata__: 'format' is not a string");
}

TEST(Safetensors, RefusesBadTensors) {
  EXPECT_EQ(refusal_of_tensor("3"), ": expected an object");
  EXPECT_EQ(refusal_of_tensor("null"), ": expected an object");
  EXPECT_EQ(refusal_of_tensor(R"({"shape":[2],"data_offsets":[0,8]})"), ": lacks \"dtype\"");
  EXPECT_EQ(refusal_of_tensor(R"({"dtype":"F32","data_offsets":[0,8]})"), ": lacks \"shape\"");
  EXPECT_EQ(refusal_of_tensor(R"({"dtype":"F32","shape":[2]})"), ": lacks \"data_offsets\"");
  EXPECT_EQ(refusal_of_tensor(R"({"dtype":7,"shape":[2],"data_offsets":[0,8]})"), ".dtype: expected a string");
  for (const std::string dtype : {"F8_E4M3FNUZ", "F8_E8M0", "F4", "f32", "", "C64"}) {
    EXPECT_EQ(refusal_of_tensor(R"({"dtype":")" + dtype + R"(","shape":[1],"data_offsets":[0,8]})"),
              ": dtype '" + dtype + "' is not supported (F64, F32, F16, BF16, F8_E4M3 and F8_E5M2 are)");
  }
  const auto shaped = [](std::string_view shape) {
    return refusal_of_tensor(fmt::format(R"({{"dtype":"F32","shape":{},"data_offsets":[0,8]}})", shape));
  };
  EXPECT_EQ(shaped("2"), ".shape: expected an array");
  EXPECT_EQ(shaped("[2.0]"), ".shape[0]: expected a whole number");
  EXPECT_EQ(shaped("[-2]"), ".shape[0]: -2 is less than 0");
  EXPECT_EQ(shaped("[1,[2]]"), ".shape[1]: expected a whole number");
  EXPECT_EQ(shaped("[18446744073709551615]"), ".shape[0]: 18446744073709551615 is more than 9223372036854775807");
  EXPECT_EQ(shaped("[4294967296,4294967296]"), ": shape [4294967296, 4294967296] is too large");
  EXPECT_EQ(shaped("[4611686018427387905]"), ": shape [4611686018427387905] is too large");  // 4 + 2^64 bytes
  EXPECT_EQ(refusal_of_tensor(R"({"dtype":"I64","shape":[1152921504606846976],"data_offsets":[0,8]})"),
            ": I64 of shape [1152921504606846976] needs 9223372036854775808 bytes, but its data offsets span 8");
  EXPECT_EQ(shaped("[3]"), ": F32 of shape [3] needs 12 bytes, but its data offsets span 8");
  std::string many = "[1";
  for (int i = 0; i < 64; ++i) many += ",1";
  EXPECT_EQ(shaped(many + "]"), ": 65 dimensions are too many");
}

TEST(Safetensors, RefusesBadOffsets) {
  const auto placed = [](std::string_view offsets) {
    return refusal_of_tensor(fmt::format(R"({{"dtype":"F32","shape":[2],"data_offsets":{}}})", offsets));
  };
  EXPECT_EQ(placed("[0]"), ": 1 data offsets, not 2");
  EXPECT_EQ(placed("[0,4,8]"), ": 3 data offsets, not 2");
  EXPECT_EQ(placed("[-8,0]"), ".data_offsets[0]: -8 is less than 0");
  EXPECT_EQ(placed("[8,0]"), ": data ends at 0, before it begins at 8");
  EXPECT_EQ(placed("[0,4]"), ": F32 of shape [2] needs 8 bytes, but its data offsets span 4");
  EXPECT_EQ(placed("[0,1e1]"), ".data_offsets[1]: expected a whole number");
  EXPECT_EQ(placed("[4,12]"), ": 4 unused bytes before its data");
  EXPECT_EQ(placed("[9223372036854775800,9223372036854775808]"),
            ".data_offsets[1]: 9223372036854775808 is more than 9223372036854775807");

  const auto two = [](int begin_a, int begin_b, size_t data) {
    return refusal(safetensors(fmt::format(R"({{"a":{{"dtype":"F16","shape":[2],"data_offsets":[{},{}]}},)"
                                           R"("b":{{"dtype":"I32","shape":[1],"data_offsets":[{},{}]}}}})",
                                           begin_a, begin_a + 4, begin_b, begin_b + 4),
                               data));
  };
  EXPECT_EQ(two(0, 2, 8), "tensor 'b': its data at 2 overlaps another tensor's");
  EXPECT_EQ(two(0, 0, 4), "tensor 'b': its data at 0 overlaps another tensor's");
  EXPECT_EQ(two(5, 0, 9), "tensor 'a': 1 unused bytes before its data");
  EXPECT_EQ(two(0, 4, 7), "tensor 'b': its data ends at 8, but the file holds 7 bytes of data: cut short?");
  EXPECT_EQ(two(0, 4, 9), "1 bytes after the last tensor's data");
}

TEST(Safetensors, RefusesRepeatedNames) {
  EXPECT_EQ(refusal(safetensors(R"({"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},)"
                                R"("a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}})",
                                4)),
            "the key \"a\" stands twice in one object");
}

TEST(Safetensors, KeepsHostileNamesOnOneLine) {
  EXPECT_EQ(refusal(safetensors(R"({"a\nb":1})", 0)), "tensor 'a\\x0ab': expected an object");
}

// A folder of two shards; `weight_map` is its index's.
class ShardedFolder : public testing::Test {
 protected:
  void SetUp() override {
    folder_.write("1.safetensors", safetensors(R"({"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}})", 4));
    folder_.write("2.safetensors", safetensors(R"({"b":{"dtype":"F16","shape":[1],"data_offsets":[0,2]},)"
                                               R"("ids":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}})",
                                               3));
  }
  SafetensorsReader open(std::string_view weight_map) {
    folder_.write("model.safetensors.index.json", R"({"metadata":{},"weight_map":)" + std::string(weight_map) + "}");
    return SafetensorsReader::open_folder(folder_.path());
  }
  std::string index_refusal(std::string_view weight_map) {
    const std::string message = refusal_of([&] { open(weight_map); });
    EXPECT_TRUE(message.starts_with(folder_.path().string() + "/")) << message;
    return message.substr(std::min(message.size(), folder_.path().string().size() + 1));
  }
  TemporaryFolder folder_;
};

TEST_F(ShardedFolder, Opens) {
  const SafetensorsReader reader = open(R"({"a":"1.safetensors","b":"2.safetensors","ids":"2.safetensors"})");
  EXPECT_EQ(reader.tensors().size(), 2U);
  EXPECT_EQ(reader.tensors().at("b").data.size(), 2U);
  EXPECT_EQ(reader.integers().size(), 1);
  EXPECT_TRUE(reader.integers().contains("ids"));
}

TEST_F(ShardedFolder, AWholeModelFileComesFirst) {
  folder_.write("model.safetensors", safetensors(R"({"w":{"dtype":"F16","shape":[1],"data_offsets":[0,2]}})", 2));
  EXPECT_TRUE(open(R"({"a":"1.safetensors"})").tensors().contains("w"));
}

TEST_F(ShardedFolder, RefusesAFolderWithoutWeights) {
  EXPECT_NE(refusal_of([&] { SafetensorsReader::open_folder(folder_.path()); }).find("holds neither"),
            std::string::npos);
  EXPECT_NE(refusal_of([&] { SafetensorsReader::open_folder(folder_.path() / "absent"); }).find("holds neither"),
            std::string::npos);
}

TEST_F(ShardedFolder, RefusesLinksThatLeadNowhere) {
  fs::create_symlink("model.safetensors.index.json", folder_.path() / "model.safetensors.index.json");
  EXPECT_NE(refusal_of([&] { SafetensorsReader::open_folder(folder_.path()); }).find("Too many levels"),
            std::string::npos);
  fs::create_symlink("model.safetensors", folder_.path() / "model.safetensors");
  EXPECT_NE(refusal_of([&] { SafetensorsReader::open_folder(folder_.path()); }).find("model.safetensors: can't open"),
            std::string::npos);
}

TEST_F(ShardedFolder, RefusesAnIndexThatDisagreesWithItsShards) {
  EXPECT_EQ(index_refusal(R"({"a":"1.safetensors","c":"1.safetensors"})"),
            "model.safetensors.index.json: tensor 'c': not in '1.safetensors'");
  EXPECT_EQ(index_refusal(R"({"a":"1.safetensors","b":"2.safetensors"})"),
            "2.safetensors: tensor 'ids': model.safetensors.index.json does not list it for this file");
  EXPECT_EQ(index_refusal(R"({"a":"2.safetensors"})"),
            "model.safetensors.index.json: tensor 'a': not in '2.safetensors'");
  EXPECT_EQ(index_refusal(R"({"a":"3.safetensors"})"),
            "model.safetensors.index.json: shard '3.safetensors': No such file or directory");
  folder_.write("both.safetensors", safetensors(R"({"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},)"
                                                R"("b":{"dtype":"F16","shape":[2],"data_offsets":[4,8]}})",
                                                8));
  EXPECT_EQ(index_refusal(R"({"a":"1.safetensors","b":"both.safetensors"})"),
            "both.safetensors: tensor 'a': model.safetensors.index.json does not list it for this file");
}

TEST_F(ShardedFolder, RefusesAMalformedIndex) {
  const std::string index = "model.safetensors.index.json: ";
  EXPECT_EQ(index_refusal("{}"), index + "weight_map: names no tensor");
  EXPECT_EQ(index_refusal("[]"), index + "weight_map: expected an object");
  EXPECT_EQ(index_refusal("null"), index + "lacks \"weight_map\"");
  EXPECT_EQ(index_refusal(R"({"a":1})"), index + "tensor 'a': expected a string");
  EXPECT_TRUE(index_refusal("{").starts_with(index + "not valid JSON"));
  EXPECT_EQ(index_refusal(std::string(200000, '[')), index + "nested deeper than 128 levels");
}

TEST_F(ShardedFolder, RefusesPathsOutOfTheFolder) {
  fs::create_directory(folder_.path() / "sub");
  const std::string outside = (folder_.path() / "1.safetensors").string();
  for (const std::string name :
       {"../x", "..", "sub/../1.safetensors", "sub/../../x", "1.safetensors\\u0000.json", ""}) {
    EXPECT_NE(index_refusal(fmt::format(R"({{"a":"{}"}})", name)).find("not a file name inside the folder"),
              std::string::npos);
  }
  EXPECT_NE(index_refusal(fmt::format(R"({{"a":"{}"}})", outside)).find("not a file name inside the folder"),
            std::string::npos);
  EXPECT_NE(index_refusal(R"({"a":"."})").find("not a regular file"), std::string::npos);
  EXPECT_NE(index_refusal(R"({"a":"sub"})").find("not a regular file"), std::string::npos);
}

TEST_F(ShardedFolder, FollowsLinksOutOfTheFolderToTensors) {
  const TemporaryFolder elsewhere;
  fs::rename(folder_.path() / "1.safetensors", elsewhere.path() / "1.safetensors");
  fs::create_symlink(elsewhere.path() / "1.safetensors", folder_.path() / "1.safetensors");
  EXPECT_EQ(open(R"({"a":"1.safetensors"})").tensors().size(), 1U);
  fs::create_symlink("/etc/passwd", folder_.path() / "3.safetensors");
  EXPECT_TRUE(index_refusal(R"({"a":"3.safetensors"})").starts_with("3.safetensors: ")) << "it holds no tensors";
}

TEST(Safetensors, FollowsLinksOfTheHuggingFaceCache) {
  const TemporaryFolder cache;
  const std::string shard = safetensors(R"({"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}})", 4);
  const fs::path model = cache.path() / "models--org--name";
  cache.write("models--org--name/blobs/0123", shard);
  cache.write("models--org--name/snapshots/rev/model.safetensors.index.json",
              R"({"weight_map":{"a":"1.safetensors"}})");
  const fs::path link = model / "snapshots" / "rev" / "1.safetensors";
  fs::create_symlink("../../blobs/0123", link);
  EXPECT_EQ(SafetensorsReader::open_folder(model / "snapshots" / "rev").tensors().size(), 1U);
}

// Sparse: of the 6 GiB only the header and a page are on the disk, or ever read.
TEST(Safetensors, TensorsBeyondFourGibibytes) {
  const TemporaryFolder folder;
  const uint64_t bytes = uint64_t{6} << 30;
  const std::string start =
      safetensors(fmt::format(R"({{"big":{{"dtype":"F8_E4M3","shape":[{},1024],"data_offsets":[0,{}]}},)"
                              R"("last":{{"dtype":"F32","shape":[1],"data_offsets":[{},{}]}}}})",
                              bytes / 1024, bytes, bytes, bytes + 4),
                  0);
  const fs::path path = folder.write("x.safetensors", start);
  fs::resize_file(path, start.size() + bytes + 4);
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(start.size() + bytes - 1));
  file << '\x38' << bytes_of(2.0F);
  file.close();

  const SafetensorsReader reader = SafetensorsReader::open_file(path);
  std::vector<float> row(1024);
  decode(StoredType::f8_e4m3, reader.tensors().at("big").data.last(1024), row);
  EXPECT_EQ(row[1022], 0);
  EXPECT_EQ(row[1023], 1);
  float last = 0;
  decode(StoredType::f32, reader.tensors().at("last").data, {&last, 1});
  EXPECT_EQ(last, 2);
}

TEST(SafetensorsWriter, WritesWhatTheReaderReads) {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "x.safetensors";
  const std::vector<float> weights = {1, -2, 3.5, 0};
  const std::vector<uint16_t> halves = {0x3c00, 0xc000, 0x4300};
  SafetensorsWriter writer(path, {{"z", StoredType::bf16, {3, 1}}, {"a\"\n", StoredType::f32, {2, 2}}});
  writer.write(std::as_bytes(std::span(halves)));
  writer.write(std::as_bytes(std::span(weights)));
  writer.close();

  const SafetensorsReader reader = SafetensorsReader::open_file(path);
  ASSERT_EQ(reader.tensors().size(), 2U);
  const StoredTensor& z = reader.tensors().at("z");
  EXPECT_EQ(z.shape, (std::vector<int64_t>{3, 1}));
  EXPECT_EQ(std::memcmp(z.data.data(), halves.data(), z.data.size()), 0);
  const StoredTensor& a = reader.tensors().at("a\"\n");
  EXPECT_EQ(a.type, StoredType::f32);
  EXPECT_EQ(std::memcmp(a.data.data(), weights.data(), a.data.size()), 0);

  const std::string content = read_file(path);
  uint64_t length = 0;
  std::memcpy(&length, content.data(), sizeof(length));
  EXPECT_EQ(length % 8, 0U);
  const Json header = parse_json(std::string_view(content).substr(8, length), "header");
  EXPECT_EQ(header.at("__metadata__"), (Json{{"format", "pt"}}));
}

TEST(SafetensorsWriter, RefusesCallsThatDoNotFollowTheLayout) {
  const TemporaryFolder folder;
  const std::vector<std::byte> four(4);
  SafetensorsWriter writer(folder.path() / "x", {{"a", StoredType::f16, {2}}});
  EXPECT_THROW(writer.close(), Error);
  EXPECT_THROW(SafetensorsWriter(folder.path() / "y", {{"a", StoredType::q4_1, {32}}}), Error);
  EXPECT_THROW(SafetensorsWriter(folder.path() / "y", {{"a", StoredType::f16, {2}}}).write(Bytes(four).first(3)),
               Error);
  writer.write(four);
  EXPECT_THROW(writer.write(four), Error);
  writer.close();
  EXPECT_EQ(SafetensorsReader::open_file(folder.path() / "x").tensors().size(), 1U);
}

}  // namespace
}  // namespace sleb
