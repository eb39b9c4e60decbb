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
  return rope_from_config(JsonView(config, "config.json"), sizes());
}

std::string refusal(const Json& config) {
  return error_message([&] { rope_of(config); });
}

std::vector<std::string> warnings_of(const Json& config) {
  return rope_warnings(JsonView(config, "config.json"));
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
  EXPECT_EQ(refusal({{"rope_scaling", {{"type", "yarn"}, {"factor", 2}}}}),
            "config.json: rope_scaling: rope type \"yarn\" is not known; known are default, linear, dynamic, llama3");
  EXPECT_EQ(
      refusal({{"rope_parameters", {{"full_attention", {{"rope_type", "linear"}, {"factor", 2.0}}}}}}),
      "config.json: rope_parameters.full_attention: rope parameters for one kind of layer are not known here, nor "
      "to transformers' class");
  Json null_positions = llama3;
  null_positions["original_max_position_embeddings"] = nullptr;
  EXPECT_EQ(refusal({{"rope_scaling", null_positions}}),
            "config.json: rope_scaling: original_max_position_embeddings is null; remove it, or give a number");
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
