#include "sleb/export/pruned_config.h"

#include <gtest/gtest.h>

namespace sleb {
namespace {

TEST(PrunedConfig, PerBlockListsAreCutAndOthersLeft) {
  const OrderedJson config = {{"architectures", {"A", "B", "C"}},
                              {"num_hidden_layers", 3},
                              {"layer_types", {"full_attention", "sliding_attention", "full_attention"}},
                              {"eos_token_id", {1, 2, 3}},
                              {"other", {1, 2}},
                              {"torch_dtype", "float16"}};
  const OrderedJson pruned = prune_config(config, kept_blocks(3, {0}), "");
  EXPECT_EQ(pruned["num_hidden_layers"], 2);
  EXPECT_EQ(pruned["layer_types"], OrderedJson({"sliding_attention", "full_attention"}));
  EXPECT_EQ(pruned["eos_token_id"].size(), 3U);
  EXPECT_EQ(pruned["architectures"].size(), 3U);
  EXPECT_EQ(pruned["other"], config["other"]);
  EXPECT_EQ(pruned["torch_dtype"], "float16");
  EXPECT_EQ(prune_config(config, {1}, "bfloat16")["dtype"], "bfloat16");
}

TEST(PrunedConfig, KeptBlocksStayInOrder) {
  EXPECT_EQ(kept_blocks(5, {3, 0}), (std::vector<int64_t>{1, 2, 4}));
}

}  // namespace
}  // namespace sleb
