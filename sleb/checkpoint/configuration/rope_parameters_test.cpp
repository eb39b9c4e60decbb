#include "sleb/checkpoint/configuration/rope_parameters.h"

#include <gtest/gtest.h>

#include "sleb/base/error_message.h"

namespace sleb {
namespace {

using Scaling = RopeSpec::Scaling;

ModelSpec sizes() {
  ModelSpec spec;
  spec.head_dim = 16;
  spec.max_positions = 64;
  return spec;
}

RopeSpec rope_of(const Json& config) {
  return ropes_from_config(JsonView(config, "config.json"), {}, sizes())[0];
}

std::string refusal(const Json& config) {
  return error_message([&] { rope_of(config); });
}

std::vector<std::string> warnings_of(const Json& config) {
  return rope_warnings(JsonView(config, "config.json"), {});
}

const Json llama3 = {{"rope_type", "llama3"}, {"factor", 8.0}, {"low_freq_factor", 1.0}, {"high_freq_factor", 4.0}};

// What transformers 5.23 makes of each; tests/engine/test_rope.py compares the logits.
TEST(RopeParameters, PrecedenceIsTransformers) {
  const Json linear = {{"type", "linear"}, {"factor", 2.0}};
  EXPECT_EQ(rope_of({{"rope_parameters", {{"rope_theta", 500.0}}}, {"rope_scaling", linear}}).theta, 10000);
  EXPECT_EQ(rope_of({{"rope_parameters", {{"rope_theta", 500.0}}}, {"rope_scaling", linear}}).scaling, Scaling::linear);
  for (const Json& nothing : {Json(nullptr), Json::object(), Json::array(), Json(""), Json(false), Json(0)}) {
    EXPECT_EQ(rope_of({{"rope_parameters", linear}, {"rope_scaling", nothing}}).scaling, Scaling::linear);
  }
  EXPECT_EQ(rope_of({{"rope_theta", 7.0}, {"rope_parameters", {{"rope_theta", 500.0}}}}).theta, 500);
  EXPECT_EQ(rope_of({{"rope_theta", 7.0}, {"rope_scaling", linear}}).theta, 7);
  EXPECT_EQ(rope_of({{"rope_parameters", {{"rope_type", "default"}, {"type", "linear"}}}}).scaling, Scaling::none);
  EXPECT_EQ(rope_of(Json::object()).theta, 10000);
}

TEST(RopeParameters, OriginalPositionsOfTheTopLevelGoFirst) {
  Json inside = llama3;
  inside["original_max_position_embeddings"] = 32;
  EXPECT_EQ(rope_of({{"rope_scaling", inside}}).original_max_positions, 32);
  EXPECT_EQ(rope_of({{"rope_scaling", inside}, {"original_max_position_embeddings", 96}}).original_max_positions, 96);
  EXPECT_EQ(rope_of({{"rope_scaling", llama3}}).original_max_positions, 64);
}

TEST(RopeParameters, PartialHeadsAreIgnoredByTheDefaultAlone) {
  EXPECT_NO_THROW(rope_of({{"partial_rotary_factor", 0.5}}));
  EXPECT_NO_THROW(rope_of({{"rope_parameters", {{"partial_rotary_factor", 0.5}}}}));
  const Json linear = {{"rope_type", "linear"}, {"factor", 2.0}};
  EXPECT_EQ(refusal({{"rope_scaling", linear}, {"partial_rotary_factor", 0.5}}),
            "config.json: partial_rotary_factor: partial rotary embedding is not known here");
  Json inside = linear;
  inside["partial_rotary_factor"] = 1;
  EXPECT_NO_THROW(rope_of({{"rope_scaling", inside}, {"partial_rotary_factor", 0.5}}));
}

TEST(RopeParameters, WhatTransformersCannotComputeIsRefused) {
  EXPECT_EQ(refusal({{"rope_theta", nullptr}}), "config.json: rope_theta is null; remove it, or give a number");
  EXPECT_EQ(refusal({{"rope_theta", 5.0}, {"rope_parameters", {{"rope_theta", nullptr}}}}),
            "config.json: rope_parameters: rope_theta is null; remove it, or give a number");
  EXPECT_EQ(refusal({{"rope_scaling", {{"rope_type", nullptr}}}}),
            "config.json: rope_scaling: rope_type is null; give \"default\"");
  EXPECT_EQ(refusal({{"rope_scaling", "linear"}}), "config.json: rope_scaling: expected an object");
  EXPECT_EQ(refusal({{"rope_parameters", Json::array()}}), "config.json: rope_parameters: expected an object");
  EXPECT_EQ(refusal({{"rope_scaling", {{"type", "linear"}}}}), "config.json: rope_scaling: lacks \"factor\"");
  EXPECT_EQ(refusal({{"rope_scaling", {{"type", "dynamic"}, {"factor", "2"}}}}),
            "config.json: rope_scaling.factor: expected a number");
  EXPECT_EQ(refusal({{"rope_scaling", {{"type", "mrope"}, {"factor", 2}}}}),
            "config.json: rope_scaling: rope type \"mrope\" is not known; known are default, linear, dynamic, llama3, "
            "yarn, longrope");
  EXPECT_EQ(
      refusal({{"rope_parameters", {{"full_attention", {{"rope_type", "linear"}, {"factor", 2.0}}}}}}),
      "config.json: rope_parameters.full_attention: rope parameters for one kind of layer are not known here, nor "
      "to transformers' class");
  Json null_positions = llama3;
  null_positions["original_max_position_embeddings"] = nullptr;
  EXPECT_EQ(refusal({{"rope_scaling", null_positions}}),
            "config.json: rope_scaling: original_max_position_embeddings is null; remove it, or give a number");
}

TEST(RopeParameters, AShareOfAHeadTurnsWhereTheFamilyHasIt) {
  const RopeRules half{.partial = true, .share = 0.5};
  const auto dims = [](const Json& config, const RopeRules& rules) {
    return ropes_from_config(JsonView(config, "config.json"), rules, sizes())[0].dims;
  };
  EXPECT_EQ(dims(Json::object(), {}), 16);
  EXPECT_EQ(dims({{"partial_rotary_factor", 0.25}}, {}), 16);
  EXPECT_EQ(dims(Json::object(), half), 8);
  EXPECT_EQ(dims({{"partial_rotary_factor", 0.25}}, half), 4);
  EXPECT_EQ(dims({{"partial_rotary_factor", 0.25}, {"rope_parameters", {{"partial_rotary_factor", 0.75}}}}, half), 12);
  EXPECT_EQ(dims({{"rotary_pct", 0.25}}, {.partial = true, .share_key = "rotary_pct"}), 4);
  EXPECT_EQ(dims({{"rotary_dim", 6}}, {.dims_key = "rotary_dim", .dims = 64}), 6);
}

// The numbers are transformers 5.23's _compute_yarn_parameters() and _compute_longrope_parameters().
TEST(RopeParameters, AttentionFactorsAreTransformers) {
  Json yarn = {{"rope_type", "yarn"}, {"factor", 4.0}};
  EXPECT_NEAR(rope_of({{"rope_scaling", yarn}}).attention_factor, 1.1386294361119890, 1e-15);
  EXPECT_EQ(rope_of({{"rope_scaling", yarn}}).original_max_positions, 64);
  yarn["mscale"] = yarn["mscale_all_dim"] = 1.0;
  EXPECT_EQ(rope_of({{"rope_scaling", yarn}}).attention_factor, 1);
  yarn["attention_factor"] = 1.5;
  EXPECT_EQ(rope_of({{"rope_scaling", yarn}}).attention_factor, 1.5);
  const Json eight = {1, 1, 1, 1, 1, 1, 1, 1};
  const Json longrope = {{"rope_type", "longrope"},
                         {"short_factor", eight},
                         {"long_factor", eight},
                         {"original_max_position_embeddings", 16}};
  const RopeSpec rope = rope_of({{"rope_scaling", longrope}});
  EXPECT_EQ(rope.factor, 4);
  EXPECT_NEAR(rope.attention_factor, 1.2247448713915890, 1e-15);
  Json short_list = longrope;
  short_list["long_factor"] = {1, 2};
  EXPECT_EQ(refusal({{"rope_scaling", short_list}}),
            "config.json: rope_scaling.long_factor: 2 numbers for 8 pairs of dimensions that turn");
}

TEST(RopeParameters, BlocksOfTwoKindsHaveTwoRopes) {
  const RopeRules rules{.theta = 1e6, .by_kind = true, .local_theta = 1e4, .local_theta_key = "rope_local_base_freq"};
  const auto thetas = [&](const Json& config) {
    const auto ropes = ropes_from_config(JsonView(config, "config.json"), rules, sizes());
    return std::pair(ropes[0].theta, ropes[1].theta);
  };
  EXPECT_EQ(thetas(Json::object()), std::pair(1e6, 1e4));
  EXPECT_EQ(thetas({{"rope_theta", 5.0}, {"rope_local_base_freq", 6.0}}), std::pair(5.0, 6.0));
  EXPECT_EQ(thetas({{"rope_parameters", {{"full_attention", {{"rope_theta", 7.0}}}}}}), std::pair(7.0, 1e4));
  const Json scaled = {{"rope_scaling", {{"rope_type", "linear"}, {"factor", 8.0}}}};
  const auto ropes = ropes_from_config(JsonView(scaled, "config.json"), rules, sizes());
  EXPECT_EQ(ropes[0].scaling, Scaling::linear);
  EXPECT_EQ(ropes[1].scaling, Scaling::none);
}

TEST(RopeParameters, WhatIsPassedOverIsSaid) {
  EXPECT_TRUE(warnings_of(Json::object()).empty());
  EXPECT_TRUE(warnings_of({{"rope_parameters", {{"rope_type", "default"}, {"rope_theta", 5.0}}}}).empty());
  EXPECT_EQ(warnings_of({{"rope_scaling", {{"type", "linear"}, {"factor", 0.5}, {"beta_fast", 32}}}}),
            (std::vector<std::string>{
                "config.json: rope_scaling: rope type linear does not read 'beta_fast'; ignored, as transformers does",
                "config.json: rope_scaling: factor is less than 1"}));
  const Json one = {{"rope_type", "linear"}, {"factor", 2.0}};
  Json other = one;
  other["factor"] = 3.0;
  EXPECT_TRUE(warnings_of({{"rope_scaling", one}, {"rope_parameters", one}}).empty());
  EXPECT_EQ(warnings_of({{"rope_scaling", one}, {"rope_parameters", other}}),
            (std::vector<std::string>{
                "config.json: rope_scaling is used in place of rope_parameters, as transformers does"}));
}

}  // namespace
}  // namespace sleb
