#include "sleb/export/pruned_config.h"

#include <gtest/gtest.h>

#include <cmath>

#include "sleb/base/error_message.h"
#include "sleb/checkpoint/families.h"

namespace sleb {
namespace {

ModelSpec three_blocks() {
  ModelSpec spec;
  spec.family = "llama";
  spec.num_blocks = 3;
  spec.sliding_windows = {0, 0, 0};
  spec.block_ropes = {0, 0, 0};
  return spec;
}

OrderedJson pruned_of(const Json& config, const std::vector<int64_t>& removed) {
  const ModelSpec spec = spec_from_config(JsonView(config, "config.json"));
  const OrderedJson ordered = OrderedJson::parse(config.dump());
  const PrunedConfig pruned = prune_config(ordered, spec, kept_blocks(spec.num_blocks, removed), "", "c");
  EXPECT_TRUE(pruned.warnings.empty());
  return pruned.config;
}

Json small(const std::string& family, int64_t blocks, const Json& more) {
  Json config = {{"model_type", family},    {"num_hidden_layers", blocks}, {"hidden_size", 64},
                 {"intermediate_size", 96}, {"num_attention_heads", 4},    {"num_key_value_heads", 2},
                 {"vocab_size", 100}};
  config.update(more);
  return config;
}

TEST(PrunedConfig, PatternsBecomeLists) {
  const OrderedJson gemma =
      pruned_of(small("gemma3_text", 7, {{"sliding_window_pattern", 3}, {"_sliding_window_pattern", 6}}), {2, 0});
  EXPECT_EQ(gemma["layer_types"], OrderedJson({"sliding_attention", "sliding_attention", "sliding_attention",
                                               "full_attention", "sliding_attention"}));
  EXPECT_FALSE(gemma.contains("sliding_window_pattern"));
  const OrderedJson smollm = pruned_of(small("smollm3", 5, {{"no_rope_layer_interval", 2}}), {0});
  EXPECT_EQ(smollm["no_rope_layers"], OrderedJson({0, 1, 0, 1}));
  EXPECT_FALSE(smollm.contains("layer_types")) << "all blocks see everything";
  const Json qwen = small("qwen2", 4, {{"use_sliding_window", true}, {"sliding_window", 9}, {"max_window_layers", 2}});
  EXPECT_EQ(pruned_of(qwen, {1})["max_window_layers"], 1);
  EXPECT_EQ(pruned_of(qwen, {1})["layer_types"],
            OrderedJson({"full_attention", "sliding_attention", "sliding_attention"}));
  EXPECT_EQ(pruned_of(small("qwen2", 4, {{"max_window_layers", 2}}), {1})["max_window_layers"], 2);
  const Json gpt2 = {{"model_type", "gpt2"}, {"n_layer", 3}, {"n_embd", 64}, {"n_head", 4}, {"vocab_size", 100}};
  EXPECT_EQ(pruned_of(gpt2, {1})["n_layer"], 2);
  EXPECT_FALSE(pruned_of(gpt2, {1}).contains("num_hidden_layers"));
  Json both = gpt2;
  both["num_hidden_layers"] = 3;
  EXPECT_EQ(pruned_of(both, {1})["n_layer"], 2);
  EXPECT_EQ(pruned_of(both, {1})["num_hidden_layers"], 2);
  EXPECT_EQ(pruned_of(small("smollm3", 5, {{"max_window_layers", 28}}), {0})["max_window_layers"], 28) << "not read";
}

TEST(PrunedConfig, AScaleOfResidualsStaysWhatItWas) {
  const Json scales = {{"scale_emb", 12}, {"scale_depth", 1.4}, {"dim_model_base", 256}};
  for (const int64_t blocks : {7, 40, 52}) {
    const Json config = small("minicpm", blocks, scales);
    const double before = spec_from_config(JsonView(config, "c")).residual_scale;
    EXPECT_EQ(before, 1.4 / std::sqrt(static_cast<double>(blocks)));
    std::vector<int64_t> removed;
    for (int64_t block = 1; block < 6; ++block) {
      removed.push_back(block);
      const Json pruned = Json::parse(pruned_of(config, removed).dump());
      EXPECT_DOUBLE_EQ(spec_from_config(JsonView(pruned, "c")).residual_scale, before) << blocks << " - " << block;
      EXPECT_EQ(pruned["dim_model_base"], 256);
    }
    EXPECT_EQ(pruned_of(config, {})["scale_depth"], 1.4);
  }
}

TEST(PrunedConfig, ListsOfBlocksAreCutByNameAndOthersLeft) {
  const OrderedJson config = {{"architectures", {"A", "B", "C"}},
                              {"num_hidden_layers", 3},
                              {"layer_types", {"full_attention", "sliding_attention", "full_attention"}},
                              {"no_rope_layers", {1, 0, 1}},
                              {"mlp_only_layers", {2, 0}},
                              {"drop_attn_list", OrderedJson::array()},
                              {"eos_token_id", {1, 2, 3}},
                              {"other", {1, 2}},
                              {"vocabulary_groups", {7, 8, 9}},
                              {"mlp_layer_types", {"dense"}},
                              {"moe_layers", {1, 5}},
                              {"sliding_window_pattern", 6},
                              {"torch_dtype", "float16"}};
  const PrunedConfig all = prune_config(config, three_blocks(), kept_blocks(3, {0}), "", "c");
  const OrderedJson& pruned = all.config;
  EXPECT_EQ(pruned["no_rope_layers"], OrderedJson({0, 1}));
  EXPECT_EQ(pruned["mlp_only_layers"], OrderedJson::array({1})) << "a number of a block that is gone goes too";
  EXPECT_EQ(pruned["drop_attn_list"], OrderedJson::array());
  const std::string end = "; it is left as it is, see whether the pruned model needs another";
  for (const char* key : {"vocabulary_groups", "mlp_layer_types", "moe_layers", "sliding_window_pattern"}) {
    EXPECT_EQ(pruned[key], config[key]) << key;
  }
  EXPECT_EQ(all.warnings,
            (std::vector<std::string>{
                "c: vocabulary_groups is as long as the model is deep, but not known as a list of blocks" + end,
                "c: mlp_layer_types does not fit a model of 3 blocks" + end,
                "c: moe_layers does not fit a model of 3 blocks" + end,
                "c: sliding_window_pattern counts blocks, whose numbers change with removal" + end}));
  EXPECT_TRUE(prune_config(config, three_blocks(), kept_blocks(3, {}), "", "c").warnings.empty())
      << "nothing was removed";
  EXPECT_EQ(pruned["num_hidden_layers"], 2);
  EXPECT_EQ(pruned["layer_types"], OrderedJson({"sliding_attention", "full_attention"}));
  EXPECT_EQ(pruned["eos_token_id"].size(), 3U);
  EXPECT_EQ(pruned["architectures"].size(), 3U);
  EXPECT_EQ(pruned["other"], config["other"]);
  EXPECT_EQ(pruned["torch_dtype"], "float16");
  EXPECT_EQ(prune_config(config, three_blocks(), {1}, "bfloat16", "c").config["dtype"], "bfloat16");
}

TEST(PrunedConfig, KeptBlocksStayInOrder) {
  EXPECT_EQ(kept_blocks(5, {3, 0}), (std::vector<int64_t>{1, 2, 4}));
}

OrderedJson renumbered(const char* quantization, const std::vector<int64_t>& removed) {
  OrderedJson config = OrderedJson::parse(quantization);
  renumber_modules(config, kept_blocks(12, removed), "q");
  return config;
}

std::string refusal(const char* quantization, const std::vector<int64_t>& removed) {
  return error_message([&] { renumbered(quantization, removed); });
}

TEST(RenumberModules, NamesOfBlocksFollowTheirBlocks) {
  const char* const config = R"({"quant_method":"fp8","version":"0.10.2","weight_block_size":[128,128],
      "modules_to_not_convert":["lm_head","model.layers.1.mlp.up_proj","model.layers.3.self_attn","model.layers.11",
                                "model.layers.40.mlp","re:.*lm_head$"],
      "config_groups":{"group_0":{"targets":["Linear","model.layers.2.mlp.gate_proj"],"weights":{"num_bits":8}}},
      "layers_by_name":{"model.layers.10.mlp":{"dtype":"fp8"},"model.layers.3.mlp":{"dtype":"fp8"}}})";
  EXPECT_EQ(renumbered(config, {3, 0}).dump(), OrderedJson::parse(R"({"quant_method":"fp8","version":"0.10.2",
      "weight_block_size":[128,128],
      "modules_to_not_convert":["lm_head","model.layers.0.mlp.up_proj","model.layers.9","re:.*lm_head$"],
      "config_groups":{"group_0":{"targets":["Linear","model.layers.1.mlp.gate_proj"],"weights":{"num_bits":8}}},
      "layers_by_name":{"model.layers.8.mlp":{"dtype":"fp8"}}})")
                                                   .dump());
  EXPECT_EQ(renumbered(R"([["model.layers.2", null], 2, true, "x"])", {0}).dump(),
            R"([["model.layers.1",null],2,true,"x"])");
}

TEST(RenumberModules, RefusesPatternsThatPickBlocksByNumber) {
  for (const char* const pattern :
       {"re:.*layers\\\\.[0-3]\\\\..*", "model.layers.(1|2).mlp", "*.2.mlp", "5.mlp.up_proj"}) {
    const std::string config = fmt::format(R"({{"ignore":["lm_head","{}"]}})", pattern);
    const std::string message = refusal(config.c_str(), {0});
    EXPECT_TRUE(message.starts_with("q.ignore: \"")) << message;
    EXPECT_NE(message.find("picks blocks by numbers that change with removal"), std::string::npos) << message;
    EXPECT_EQ(refusal(config.c_str(), {11, 10}), "no error");  // the other blocks keep their numbers
  }
  EXPECT_EQ(refusal(R"({"ignore":["re:.*lm_head","*.mlp.gate","re:model\\.layers\\..*self_attn"]})", {0}), "no error");
  EXPECT_EQ(refusal(R"({"dynamic":{"re:.*\\.1\\..*":{}}})", {0}).substr(0, 12), "q.dynamic: \"");
}

TEST(PrunedConfig, WhatSglangTakesFromABlocksNumberIsToldOf) {
  ModelSpec spec;
  spec.num_blocks = 6;
  spec.family = "gemma2";
  spec.sliding_windows = {8, 0, 8, 0, 8, 0};
  EXPECT_NE(served_otherwise(spec, {0, 1, 3, 4, 5}).find("more than 8 tokens"), std::string::npos);
  EXPECT_EQ(served_otherwise(spec, {0, 1, 4, 5}), "");  // every second one still has a window
  EXPECT_EQ(served_otherwise(spec, {0, 1, 2, 3, 4, 5}), "");
  spec.family = "exaone4";
  EXPECT_NE(served_otherwise(spec, {0, 1, 4, 5}).find("--model-impl transformers"), std::string::npos);
  EXPECT_EQ(served_otherwise(spec, {1, 3, 5}), "");
  spec.family = "gemma3_text";
  EXPECT_EQ(served_otherwise(spec, {0, 1, 3, 4, 5}), "");
}

}  // namespace
}  // namespace sleb
