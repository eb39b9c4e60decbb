#include "sleb/checkpoint/checkpoint.h"

#include <gtest/gtest.h>

#include "sleb/base/error_message.h"

namespace sleb {
namespace {

std::string refusal(std::string_view text) {
  return error_message([&] { parse_removal_list(text, 10); });
}

TEST(RemovalList, TakesOurFormAndTheReferences) {
  EXPECT_EQ(parse_removal_list("5,4,9", 10), (std::vector<int64_t>{5, 4, 9}));
  EXPECT_EQ(parse_removal_list("[5, 4, 9]", 10), (std::vector<int64_t>{5, 4, 9}));
  EXPECT_EQ(parse_removal_list(" 5 , 4 ", 10), (std::vector<int64_t>{5, 4}));
  EXPECT_TRUE(parse_removal_list("", 10).empty());
  EXPECT_TRUE(parse_removal_list("[]", 10).empty());
}

TEST(RemovalList, RefusesEverythingElse) {
  for (const std::string_view text : {"x", "1,x", "1;2", "1,", "1,,2", "[1", "1]", "[1]]", "1 2", "0x1", "1.5", "+1"}) {
    EXPECT_EQ(refusal(text), fmt::format("removal list \"{}\": expected block numbers like 5,4,9", text));
  }
  EXPECT_EQ(refusal("3,10"), "removal list \"3,10\": there is no block 10; the model's are 0 to 9");
  EXPECT_EQ(refusal("-1"), "removal list \"-1\": there is no block -1; the model's are 0 to 9");
  EXPECT_EQ(refusal("3,4,3"), "removal list \"3,4,3\": block 3 stands twice");
  EXPECT_EQ(refusal("0,1,2,3,4,5,6,7,8,9"),
            "removal list \"0,1,2,3,4,5,6,7,8,9\": that is all 10 blocks; at least one must stay");
  EXPECT_EQ(refusal("99999999999999999999"),
            "removal list \"99999999999999999999\": expected block numbers like 5,4,9");
}

}  // namespace
}  // namespace sleb
