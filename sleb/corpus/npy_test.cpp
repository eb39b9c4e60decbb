#include <cstring>

#include "sleb/base/error_message.h"
#include "sleb/corpus/corpus.h"
#include "sleb/corpus/test_support.h"

namespace sleb {
namespace {

using Ids = std::vector<int64_t>;

std::string dictionary(std::string_view dtype, std::string_view shape, std::string_view order = "False") {
  return fmt::format("{{'descr': '{}', 'fortran_order': {}, 'shape': {}, }}\n", dtype, order, shape);
}

template <typename Integer>
std::string data(std::vector<Integer> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(Integer)};
}

std::string npy(const std::string& header, const std::string& content, int major = 1) {
  std::string file = std::string("\x93NUMPY") + static_cast<char>(major) + '\0';
  const auto length = static_cast<uint32_t>(header.size());
  file.append(reinterpret_cast<const char*>(&length), major == 1 ? 2 : 4);
  return file + header + content;
}

class NpyTest : public testing::Test {
 protected:
  Ids ids(const std::string& file) { return read_npy_ids(scratch_.write("ids.npy", file)); }

  std::string error(const std::string& file) {
    const auto path = scratch_.write("ids.npy", file);
    const std::string message = error_message([&] { read_npy_ids(path); });
    const size_t name = message.find("ids.npy: ");
    return name == message.npos ? message : message.substr(name + 9);
  }

  const std::string two_ = data<int64_t>({5, 7});
  ScratchFolder scratch_;
};

TEST_F(NpyTest, ReadsTheFourIntegerTypes) {
  EXPECT_EQ(ids(npy(dictionary("<i8", "(2,)"), data<int64_t>({0, int64_t{1} << 40}))), (Ids{0, int64_t{1} << 40}));
  EXPECT_EQ(ids(npy(dictionary("<i4", "(2,)"), data<int32_t>({3, 1 << 30}))), (Ids{3, 1 << 30}));
  EXPECT_EQ(ids(npy(dictionary("<u4", "(1,)"), data<uint32_t>({0xffffffff}))), Ids{0xffffffff});
  EXPECT_EQ(ids(npy(dictionary("<u2", "(3,)"), data<uint16_t>({1, 2, 0xffff}))), (Ids{1, 2, 0xffff}));
}

TEST_F(NpyTest, JoinsTheRowsOfTwoDimensions) {
  EXPECT_EQ(ids(npy(dictionary("<u2", "(2, 3)"), data<uint16_t>({1, 2, 3, 4, 5, 6}))), (Ids{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(ids(npy(dictionary("<i8", "(0, 2048)"), "")), Ids{});
}

TEST_F(NpyTest, ReadsVersionsOneToThreeAndOtherSpellingsOfTheHeader) {
  for (int major : {1, 2, 3}) EXPECT_EQ(ids(npy(dictionary("<i8", "(2,)"), two_, major)), (Ids{5, 7}));
  EXPECT_EQ(ids(npy("{\"shape\":(1,2),\"fortran_order\":False,\"descr\":\"<i8\"}      \n", two_)), (Ids{5, 7}));
}

TEST_F(NpyTest, RefusesEveryTruncation) {
  for (int major : {1, 2}) {
    const std::string whole = npy(dictionary("<i8", "(2,)"), two_, major);
    for (size_t size = 0; size < whole.size(); ++size) EXPECT_NE(error(whole.substr(0, size)), "no error") << size;
  }
  const std::string whole = npy(dictionary("<i8", "(2,)"), two_);
  EXPECT_EQ(error(whole.substr(0, 5)), "not a .npy file");
  EXPECT_EQ(error(whole.substr(0, 7)), ".npy file is cut off in its version");
  EXPECT_EQ(error(whole.substr(0, 9)), ".npy file is cut off in its header's length");
  EXPECT_TRUE(error(whole.substr(0, 20)).ends_with("but the file ends 10 bytes after its begin"));
  EXPECT_EQ(error(whole.substr(0, whole.size() - 1)), "15 bytes of data do not fit shape (2) of 8-byte elements");
  EXPECT_EQ(error(whole + "x"), "17 bytes of data do not fit shape (2) of 8-byte elements");
}

TEST_F(NpyTest, RefusesShapesThatDoNotFit) {
  EXPECT_EQ(error(npy(dictionary("<i8", "(9223372036854775807,)"), two_)),
            "16 bytes of data do not fit shape (9223372036854775807) of 8-byte elements");
  // 2^61 x 8 elements of 8 bytes would wrap around to zero bytes, 2^60 + 1 elements of 16 to 16 bytes.
  EXPECT_NE(error(npy(dictionary("<i8", "(2305843009213693952, 8)"), "")).find("do not fit"), std::string::npos);
  EXPECT_NE(error(npy(dictionary("<i8", "(1152921504606846977, 2)"), two_)).find("do not fit"), std::string::npos);
  EXPECT_EQ(error(npy(dictionary("<i8", "(9223372036854775808,)"), two_)),
            ".npy header: a size of 2^63 or more (character 69)");
  EXPECT_EQ(error(npy(dictionary("<i8", "()"), two_)), "shape (); ids have one dimension or two");
  EXPECT_EQ(error(npy(dictionary("<i8", "(1, 1, 2)"), two_)), "shape (1, 1, 2); ids have one dimension or two");
  EXPECT_EQ(error(npy(dictionary("<i8", "(-2,)"), two_)), ".npy header: expected a size (character 51)");
}

TEST_F(NpyTest, RefusesOtherTypesAndOrders) {
  for (std::string_view dtype : {">i8", "<f4", "<f8", "<i2", "<u8", "|b1", "|O", "i8", ""}) {
    EXPECT_EQ(error(npy(dictionary(dtype, "(2,)"), two_)),
              fmt::format("dtype {} is not read; ids are <i4, <i8, <u2 or <u4: save it with ids.astype('<i8')", dtype));
  }
  EXPECT_EQ(error(npy("{'descr': [('a', '<i8')], 'fortran_order': False, 'shape': (2,), }\n", two_)),
            ".npy header: a structured dtype; ids are plain integers (character 10)");
  EXPECT_EQ(error(npy(dictionary("<i8", "(1, 2)", "True"), two_)),
            "Fortran order; save it with numpy.ascontiguousarray(ids)");
}

TEST_F(NpyTest, RefusesNegativeIds) {
  EXPECT_EQ(error(npy(dictionary("<i8", "(2,)"), data<int64_t>({5, -100}))), "element 1 is -100; ids are not negative");
  EXPECT_EQ(error(npy(dictionary("<i4", "(1,)"), data<int32_t>({-1}))), "element 0 is -1; ids are not negative");
}

TEST_F(NpyTest, RefusesBrokenHeaders) {
  const std::string header = dictionary("<i8", "(2,)");
  EXPECT_EQ(error(npy(header.substr(0, header.size() - 1), two_)), ".npy header does not end with a newline");
  EXPECT_EQ(error(npy(header, two_, 4)), ".npy version 4.0 is not known; 1.0, 2.0 and 3.0 are");
  EXPECT_EQ(error(npy(header, two_, 0)), ".npy version 0.0 is not known; 1.0, 2.0 and 3.0 are");
  EXPECT_EQ(error(npy(std::string(20000, ' ') + header, two_)),
            ".npy header of 20058 bytes; plain integers need no more than 10000");
  const char* const broken[] = {
      "\n",
      "{}\n",
      "{'descr': '<i8', 'fortran_order': False}\n",
      "{'descr': '<i8', 'descr': '<i8', 'fortran_order': False, 'shape': (2,)}\n",
      "{'descr': '<i8', 'fortran_order': False, 'shape': (2,), 'more': 1}\n",
      "{'descr': '<i8', 'fortran_order': false, 'shape': (2,)}\n",
      "{'descr': '<i8, 'fortran_order': False, 'shape': (2,)}\n",
      "{'descr': '<i8', 'fortran_order': False, 'shape': (2,)\n",
      "{'descr': '<i8', 'fortran_order': False, 'shape': (2 3)}\n",
      "{'descr': '<i8', 'fortran_order': False, 'shape': [2]}\n",
      "{'descr': '<i8\x01', 'fortran_order': False, 'shape': (2,)}\n",
      "{'descr': '<i8', 'fortran_order': False, 'shape': (2,)} x\n",
  };
  for (const char* text : broken) EXPECT_TRUE(error(npy(text, two_)).starts_with(".npy header: ")) << text;
}

}  // namespace
}  // namespace sleb
