#include "sleb/export/halved_blocks.h"

#include <gtest/gtest.h>

#include "sleb/checkpoint/families.h"

namespace sleb {
namespace {

OrderedJson llama() {
  return {{"model_type", "llama"},  {"vocab_size", 100},        {"hidden_size", 64},        {"intermediate_size", 512},
          {"num_hidden_layers", 4}, {"num_attention_heads", 4}, {"num_key_value_heads", 2}, {"rms_norm_eps", 1e-5},
          {"rope_theta", 500.0},    {"eos_token_id", 7},        {"dtype", "bfloat16"}};
}

ModelSpec spec_of(const OrderedJson& config) {
  const Json plain = Json::parse(config.dump());
  return spec_from_config(JsonView(plain, "config.json"));
}

OrderedJson with(const std::string& key, const OrderedJson& value) {
  OrderedJson config = llama();
  config[key] = value;
  return config;
}

const RemovalList list = {0, {1, Half::mlp}, {3, Half::attention}};

// What is written is read as the same model without these halves.
TEST(HalvedBlocks, ConfigurationThereAndBack) {
  for (const OrderedJson& scaling : {OrderedJson(nullptr), OrderedJson{{"rope_type", "linear"}, {"factor", 2.0}},
                                     OrderedJson{{"rope_type", "llama3"},
                                                 {"factor", 8.0},
                                                 {"low_freq_factor", 1.0},
                                                 {"high_freq_factor", 4.0},
                                                 {"original_max_position_embeddings", 64}}}) {
    const OrderedJson config = with("rope_scaling", scaling);
    const ModelSpec spec = spec_of(config);
    EXPECT_EQ(inexpressible_with_halves(spec), "");
    const OrderedJson halved = config_with_halves(config, spec, list);
    const ModelSpec read = spec_of(halved);
    EXPECT_EQ(read.num_blocks, 3);
    EXPECT_EQ(read.without_mlp, std::vector<int64_t>{0});
    EXPECT_EQ(read.without_attention, std::vector<int64_t>{2});
    EXPECT_EQ(read.intermediate_size, spec.intermediate_size);
    EXPECT_EQ(read.num_kv_heads, spec.num_kv_heads);
    EXPECT_EQ(read.ropes, spec.ropes);
    EXPECT_EQ(read.norm_eps, spec.norm_eps);
    EXPECT_EQ(read.parameters(), spec.parameters() - parameters_of(list, spec));
    EXPECT_EQ(halved["eos_token_id"], 7);
    EXPECT_EQ(halved["dtype"], "bfloat16");
    EXPECT_EQ(halved["block_configs"][1]["ffn"]["ffn_mult"], 12.0);
    EXPECT_TRUE(halved["block_configs"][0]["ffn"]["ffn_mult"].is_null());
  }
}

TEST(HalvedBlocks, WhatTheFormatHasNoWordFor) {
  EXPECT_EQ(inexpressible_with_halves(spec_of(with("intermediate_size", 500))),
            "an MLP of 500, which is no multiple of 256");
  EXPECT_EQ(inexpressible_with_halves(spec_of(with("head_dim", 32))),
            "heads that are not as wide together as the model");
  EXPECT_EQ(inexpressible_with_halves(spec_of(with("hidden_act", "gelu"))), "the arithmetic of a llama model");
  EXPECT_EQ(inexpressible_with_halves(spec_of(with("model_type", "qwen2"))),
            "biases of queries, keys and values alone");
  EXPECT_EQ(inexpressible_with_halves(spec_of(with("model_type", "qwen3"))), "the arithmetic of a qwen3 model");
  EXPECT_EQ(inexpressible_with_halves(spec_of(with("model_type", "mistral"))), "sliding windows");
  OrderedJson mistral = with("model_type", "mistral");
  mistral["sliding_window"] = nullptr;
  EXPECT_EQ(inexpressible_with_halves(spec_of(mistral)), "");
  EXPECT_EQ(inexpressible_with_halves(spec_of(with("rope_scaling", {{"rope_type", "dynamic"}, {"factor", 2.0}}))),
            "this kind of rope");
}

TEST(HalvedBlocks, AFirstBlockWithoutAttentionIsToldOf) {
  const ModelSpec spec = spec_of(llama());
  EXPECT_EQ(notes_on_halves(spec, list).size(), 1U);
  EXPECT_NE(notes_on_halves(spec, {0, {1, Half::attention}}).back().find("vLLM"), std::string::npos);
}

}  // namespace
}  // namespace sleb
