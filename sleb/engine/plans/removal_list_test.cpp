#include "sleb/engine/plans/removal_list.h"

#include <gtest/gtest.h>

#include "sleb/base/error_message.h"

namespace sleb {
namespace {

using List = RemovalList;

ModelSpec blocks(int64_t count) {
  ModelSpec spec;
  spec.num_blocks = count;
  return spec;
}

List parsed(std::string_view text) {
  return parse_removal_list(text, blocks(10));
}

std::string refusal(std::string_view text) {
  return error_message([&] { parsed(text); });
}

TEST(RemovalList, TakesOurFormAndTheReferences) {
  EXPECT_EQ(parsed("5,4,9"), (List{5, 4, 9}));
  EXPECT_EQ(parsed("[5, 4, 9]"), (List{5, 4, 9}));
  EXPECT_EQ(parsed(" 5 , 4 "), (List{5, 4}));
  EXPECT_TRUE(parsed("").empty());
  EXPECT_TRUE(parsed("[]").empty());
}

TEST(RemovalList, RefusesEverythingElse) {
  for (const std::string_view text : {"x", "1,x", "1;2", "1,", "1,,2", "[1", "1]", "[1]]", "1 2", "0x1", "1.5", "+1",
                                      "1.", "1.MLP", "1.mlp.mlp", ".mlp"}) {
    EXPECT_EQ(
        refusal(text),
        fmt::format("removal list \"{}\": expected block numbers like 5,4,9, or halves like 5.attention,4.mlp", text));
  }
  EXPECT_EQ(refusal("3,10"), "removal list \"3,10\": there is no block 10; the model's are 0 to 9");
  EXPECT_EQ(refusal("-1"), "removal list \"-1\": there is no block -1; the model's are 0 to 9");
  EXPECT_EQ(refusal("3,4,3"), "removal list \"3,4,3\": block 3 stands twice");
  EXPECT_EQ(refusal("0,1,2,3,4,5,6,7,8,9"),
            "removal list \"0,1,2,3,4,5,6,7,8,9\": that is all 10 blocks; at least one must stay");
  EXPECT_EQ(
      refusal("99999999999999999999"),
      "removal list \"99999999999999999999\": expected block numbers like 5,4,9, or halves like 5.attention,4.mlp");
}

TEST(RemovalList, Halves) {
  const List list = parsed("5.mlp, 4 ,9.attention,5.attention");
  EXPECT_EQ(list, (List{{5, Half::mlp}, 4, {9, Half::attention}, {5, Half::attention}}));
  EXPECT_EQ(text_of(list), "5.mlp,4,9.attention,5.attention");
  EXPECT_EQ(OrderedJson(list).dump(), R"(["5.mlp",4,"9.attention","5.attention"])");
  EXPECT_EQ(plan_without(list), Plan().bypass_block(4).bypass_block(5).bypass({9, Half::attention}));
  EXPECT_EQ(joined_halves(plan_without(list)), (List{4, 5, {9, Half::attention}}));
  EXPECT_EQ(blocks_in(list), 2.5);
  EXPECT_EQ(refusal("3.mlp,3"), "removal list \"3.mlp,3\": block 3 stands twice");
  EXPECT_EQ(refusal("3.mlp,3.mlp"), "removal list \"3.mlp,3.mlp\": block 3 stands twice");
}

TEST(RemovalList, WholeBlocksOfHalves) {
  EXPECT_EQ(whole_blocks(parsed("7,5.mlp,4,5.attention"), "x"), (std::vector<int64_t>{7, 5, 4}));
  EXPECT_EQ(error_message([] { whole_blocks(parsed("7,5.mlp"), "x"); }),
            "x: 5.mlp is one half of a block; name whole blocks");
}

TEST(RemovalList, HalvesThatGoTogether) {
  ModelSpec spec = blocks(10);
  spec.parallel_residual = true;
  EXPECT_NE(error_message([&] { parse_removal_list("4.mlp", spec); }).find("go together"), std::string::npos);
  EXPECT_EQ(parse_removal_list("4", spec), List{4});
  spec = blocks(10);
  spec.without_mlp = {3};
  EXPECT_NE(error_message([&] { parse_removal_list("4.mlp", spec); }).find("lacks halves"), std::string::npos);
}

}  // namespace
}  // namespace sleb
