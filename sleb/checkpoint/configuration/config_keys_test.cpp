#include "sleb/checkpoint/configuration/config_keys.h"

#include <gtest/gtest.h>

#include "sleb/base/error_message.h"

namespace sleb {
namespace {

std::vector<std::string> warnings_of(const Json& config, const std::string& family = "llama") {
  return config_warnings(JsonView(config, "config.json"), *find_family(family));
}

std::string refusal(const Json& config) {
  return error_message([&] { refuse_other_computation(JsonView(config, "config.json"), *find_family("llama")); });
}

TEST(ConfigKeys, KeysThatAreReadOrHarmlessPass) {
  EXPECT_TRUE(warnings_of({{"model_type", "llama"},
                           {"use_cache", true},
                           {"pretraining_tp", 2},
                           {"attention_dropout", 0.1},
                           {"rope_scaling", nullptr},
                           {"rope_theta", 10000},
                           {"partial_rotary_factor", 1.0},
                           {"mup_scale", nullptr},
                           {"eos_token_id", {1, 2}}})
                  .empty());
}

TEST(ConfigKeys, TheRestIsNamedOnce) {
  EXPECT_EQ(warnings_of({{"drop_attn_list", {1}}, {"attention_multiplier", 0.5}}),
            (std::vector<std::string>{"config.json: not read, by sleb or by transformers' LlamaForCausalLM: "
                                      "'attention_multiplier', 'drop_attn_list'; a program that reads them may compute "
                                      "another model"}));
}

TEST(ConfigKeys, EachFamilyHasItsOwn) {
  EXPECT_EQ(warnings_of({{"sliding_window", 4}}, "llama").size(), 1U);
  EXPECT_TRUE(warnings_of({{"sliding_window", 4}}, "mistral").empty());
  EXPECT_TRUE(warnings_of({{"layerdrop", 0.1}}, "opt").empty());
  EXPECT_EQ(warnings_of({{"layerdrop", 0.1}}, "llama").size(), 1U);
  EXPECT_EQ(warnings_of({{"rope_theta", 5.0}}, "opt").size(), 1U);
  EXPECT_EQ(warnings_of({{"partial_rotary_factor", 0.5}}, "llama").size(), 1U);
}

TEST(ConfigKeys, OriginalPositionsBelongToLlama3) {
  const Json llama3 = {{"rope_type", "llama3"},
                       {"factor", 8.0},
                       {"low_freq_factor", 1.0},
                       {"high_freq_factor", 4.0},
                       {"original_max_position_embeddings", 32}};
  EXPECT_TRUE(warnings_of({{"original_max_position_embeddings", 32}, {"rope_scaling", llama3}}).empty());
  EXPECT_EQ(warnings_of({{"original_max_position_embeddings", 32}}).size(), 1U);
}

TEST(ConfigKeys, OwnCodeIsNamed) {
  const Json config = {{"auto_map", {{"AutoModelForCausalLM", "modeling_x.XForCausalLM"}}}};
  EXPECT_EQ(
      warnings_of(config),
      (std::vector<std::string>{"config.json: auto_map names Python code of the model's own, which is not run: the "
                                "model is computed as transformers' LlamaForCausalLM"}));
}

TEST(ConfigKeys, ManyNamesAreCutAndMadePrintable) {
  Json config = {{"\x1b[31m", 1}};
  for (int i = 0; i < 100; ++i) config[fmt::format("zz{:03}", i)] = i;
  const auto warnings = warnings_of(config);
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_NE(warnings[0].find("'\\x1b[31m', 'zz000'"), std::string::npos);
  EXPECT_NE(warnings[0].find("and 91 more"), std::string::npos);
}

TEST(ConfigKeys, OtherComputationsAreRefused) {
  EXPECT_EQ(refusal({{"is_causal", false}}),
            "config.json: is_causal: attention to later tokens is not known here; the losses of such a model would be "
            "wrong");
  EXPECT_NE(refusal({{"is_causal", 0}}), "no error");
  EXPECT_EQ(refusal({{"is_causal", true}}), "no error");
  EXPECT_EQ(refusal({{"is_causal", nullptr}}), "no error");
  EXPECT_EQ(refusal({{"per_layer_config", {{"1", {{"num_attention_heads", 2}}}}}}),
            "config.json: per_layer_config: blocks that differ in their settings are not known here");
}

}  // namespace
}  // namespace sleb
