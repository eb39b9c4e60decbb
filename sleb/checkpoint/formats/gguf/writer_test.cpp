#include "sleb/checkpoint/formats/gguf/writer.h"

#include <gtest/gtest.h>

#include "sleb/base/error.h"
#include "sleb/checkpoint/formats/gguf.h"
#include "sleb/checkpoint/formats/gguf/test_support.h"

namespace sleb {
namespace {
using namespace gguf_files;
using testing_files::refusal_of;
using testing_files::TemporaryFolder;

Bytes bytes_in(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

const std::vector<TensorLayout> layout = {{"a", StoredType::f32, {3}}, {"b", StoredType::q8_0, {2, 32}}};

TEST(GgufWriter, ByteForByte) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "m.gguf";
  GgufWriter writer(path, {{"general.alignment", gguf_value::u32(64)}, {"k", gguf_value::string("v")}}, layout, 64);
  writer.write(bytes_in(std::string(4, '\1')));
  writer.write(bytes_in(std::string(8, '\1')));  // in pieces
  writer.write(bytes_in(std::string(68, '\1')));
  writer.close();
  std::string expected = Gguf{.metadata = {entry<uint32_t>("general.alignment", u32, 64), entry("k", "v")},
                              .tensors = {tensor("a", {3}, ggml_f32, 0), tensor("b", {32, 2}, ggml_q8_0, 64)},
                              .alignment = 64}
                             .bytes();
  expected += std::string(12, '\1') + std::string(52, '\0') + std::string(68, '\1') + std::string(60, '\0');
  EXPECT_EQ(read_file(path), expected);
  EXPECT_EQ(GgufFile(path).tensors().at("b").shape, (std::vector<int64_t>{2, 32}));
}

TEST(GgufWriter, RefusesWhatDoesNotFollowTheLayout) {
  const TemporaryFolder folder;
  GgufWriter writer(folder.path() / "m.gguf", {}, layout, 32);
  EXPECT_THROW(writer.write(bytes_in(std::string(13, '\1'))), Error);
  writer.write(bytes_in(std::string(12, '\1')));
  EXPECT_THROW(writer.close(), Error);
  writer.write(bytes_in(std::string(68, '\1')));
  EXPECT_THROW(writer.write(bytes_in("x")), Error);
}

TEST(GgufValue, EveryKindIsReadAgain) {
  const GgufEntries entries = {{"u16", gguf_value::u16(7)},
                               {"i32", gguf_value::i32(-7)},
                               {"f32", gguf_value::f32(0.5F)},
                               {"boolean", gguf_value::boolean(true)},
                               {"booleans", gguf_value::booleans({true, false})},
                               {"i32s", gguf_value::i32s({1, -2})},
                               {"f32s", gguf_value::f32s({0.25, -4})},
                               {"strings", gguf_value::strings({"", "ab"})}};
  const GgufMetadata metadata = decode(entries, "m");
  EXPECT_EQ(metadata.at("u16"), GgufValue(uint64_t{7}));
  EXPECT_EQ(metadata.at("i32"), GgufValue(int64_t{-7}));
  EXPECT_EQ(metadata.at("f32"), GgufValue(0.5));
  EXPECT_EQ(metadata.at("boolean"), GgufValue(true));
  EXPECT_EQ(metadata.at("booleans"), GgufValue(std::vector<bool>{true, false}));
  EXPECT_EQ(metadata.at("i32s"), GgufValue(std::vector<int64_t>{1, -2}));
  EXPECT_EQ(metadata.at("f32s"), GgufValue(std::vector<double>{0.25, -4}));
  EXPECT_EQ(metadata.at("strings"), GgufValue(std::vector<std::string>{"", "ab"}));
}

TEST(GgufValue, ElementsOfAnArray) {
  EXPECT_EQ(gguf_value::elements_of(bytes_in(gguf_value::i32s({5, 6, 7})), {0, 2}, "m"), gguf_value::i32s({5, 7}));
  EXPECT_EQ(gguf_value::elements_of(bytes_in(gguf_value::strings({"a", "", "ccc"})), {1, 2}, "m"),
            gguf_value::strings({"", "ccc"}));
  EXPECT_NE(refusal_of([] { gguf_value::elements_of(bytes_in(gguf_value::u32(1)), {0}, "m"); }).find("not an array"),
            std::string::npos);
  EXPECT_NE(refusal_of([] { gguf_value::elements_of(bytes_in(gguf_value::i32s({5})), {1}, "m"); }).find("element 1"),
            std::string::npos);
}

TEST(GgufEntries, SetReplacesInPlace) {
  GgufEntries entries = {{"a", gguf_value::u32(1)}, {"b", gguf_value::u32(2)}};
  set(entries, "a", gguf_value::u32(3));
  set(entries, "c", gguf_value::u32(4));
  ASSERT_EQ(entries.size(), 3U);
  EXPECT_EQ(entries[0].value, gguf_value::u32(3));
  EXPECT_EQ(entries[2].key, "c");
}

}  // namespace
}  // namespace sleb
