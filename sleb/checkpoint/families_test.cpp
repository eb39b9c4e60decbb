#include "sleb/checkpoint/families.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "sleb/base/error.h"
#include "sleb/base/error_message.h"
#include "sleb/checkpoint/refused_families.h"

namespace sleb {
namespace {

Json small_config() {
  return {{"model_type", "llama"},    {"num_hidden_layers", 3}, {"hidden_size", 64},   {"intermediate_size", 96},
          {"num_attention_heads", 4}, {"vocab_size", 100},      {"rms_norm_eps", 1e-5}};
}

ModelSpec spec_of(const Json& config) {
  return spec_from_config(JsonView(config, "config.json"));
}

std::string refusal(const Json& config) {
  return error_message([&] { spec_of(config); });
}

std::string refusal_with(const std::string& key, const Json& value, Json config = small_config()) {
  config[key] = value;
  return refusal(config);
}

Json small_opt_config() {
  return {{"model_type", "opt"}, {"num_hidden_layers", 3},   {"hidden_size", 64},
          {"ffn_dim", 96},       {"num_attention_heads", 4}, {"vocab_size", 100}};
}

TEST(Families, AbsentFieldsAreWhatTransformersAssumes) {
  const ModelSpec llama = spec_of(small_config());
  EXPECT_EQ(llama.num_kv_heads, 4);
  EXPECT_EQ(llama.head_dim, 16);
  EXPECT_EQ(llama.max_positions, 2048);
  EXPECT_FALSE(llama.tied_head);
  EXPECT_EQ(llama.ropes[0].theta, 10000);

  Json config = small_config();
  config["model_type"] = "mistral";
  config["num_attention_heads"] = 16;
  const ModelSpec mistral = spec_of(config);
  EXPECT_EQ(mistral.num_kv_heads, 8);
  EXPECT_EQ(mistral.sliding_windows, (std::vector<int64_t>(3, 4096)));
  config["sliding_window"] = nullptr;
  EXPECT_EQ(spec_of(config).sliding_windows, (std::vector<int64_t>(3, 0)));
}

// Ministral3Config().rope_parameters.
TEST(Families, Ministral3WithoutRopeParametersHasYarn) {
  Json config = small_config();
  config["model_type"] = "ministral3";
  config["num_key_value_heads"] = 4;
  const RopeSpec rope = spec_of(config).ropes[0];
  EXPECT_EQ(rope.scaling, RopeSpec::Scaling::yarn);
  EXPECT_EQ(rope.theta, 1e6);
  EXPECT_EQ(rope.factor, 16);
  EXPECT_EQ(rope.original_max_positions, 16384);
  EXPECT_EQ(rope.attention_factor, 1);
  EXPECT_EQ(rope.query_growth, 0.1);
  config["rope_parameters"] = {{"rope_type", "default"}};
  EXPECT_EQ(spec_of(config).ropes[0].scaling, RopeSpec::Scaling::none);
}

// Of Gemma3Config and Mistral3Config, true where it is absent.
TEST(Families, WholesTieTheirHeadsThemselves) {
  Json text = small_config();
  text["model_type"] = "mistral";
  text["num_key_value_heads"] = 4;
  text["tie_word_embeddings"] = false;
  Json config = {{"model_type", "mistral3"}, {"text_config", text}};
  EXPECT_TRUE(spec_of(config).tied_head);
  config["tie_word_embeddings"] = false;
  config["text_config"]["tie_word_embeddings"] = true;
  EXPECT_FALSE(spec_of(config).tied_head);
}

TEST(Families, BothSpellingsOfRopeSayTheSame) {
  Json four = small_config();
  four["rope_theta"] = 500000.0;
  four["rope_scaling"] = {{"type", "linear"}, {"factor", 4.0}};
  Json five = small_config();
  five["rope_parameters"] = {{"rope_type", "linear"}, {"factor", 4.0}, {"rope_theta", 500000.0}};
  for (const Json& config : {four, five}) {
    const RopeSpec rope = spec_of(config).ropes[0];
    EXPECT_EQ(rope.scaling, RopeSpec::Scaling::linear);
    EXPECT_EQ(rope.factor, 4);
    EXPECT_EQ(rope.theta, 500000);
  }
}

TEST(Families, LayerTypesGiveEachBlockItsWindow) {
  Json config = small_config();
  config["model_type"] = "mistral";
  config["num_key_value_heads"] = 4;
  config["sliding_window"] = 7;
  config["layer_types"] = {"full_attention", "sliding_attention", "full_attention"};
  EXPECT_EQ(spec_of(config).sliding_windows, (std::vector<int64_t>{0, 7, 0}));
  config["layer_types"] = {"full_attention"};
  EXPECT_EQ(refusal(config), "config.json: layer_types: 1 entries for 3 blocks");
}

// modeling_mistral.py.
TEST(Families, MistralHasNoBiases) {
  Json config = small_config();
  config["model_type"] = "mistral";
  config["num_key_value_heads"] = 4;
  config["attention_bias"] = true;
  config["mlp_bias"] = true;
  const ModelSpec spec = spec_of(config);
  EXPECT_FALSE(spec.qkv_bias || spec.attention_output_bias || spec.mlp_bias);
}

TEST(Families, ParametersAreCounted) {
  Json config = small_config();
  config["attention_bias"] = true;
  config["mlp_bias"] = true;
  config["num_key_value_heads"] = 2;
  // Per block: norms 2 x 64, q 64 x 64 + 64, k and v 32 x 64 + 32, o 64 x 64 + 64, gate and up 96 x 64 + 96, down 64 x
  // 96 + 64.
  constexpr int64_t block = 128 + 4160 + int64_t{2} * 2080 + 4160 + int64_t{2} * 6240 + 6208;
  EXPECT_EQ(spec_of(config).block_parameters(), block);
  EXPECT_EQ(spec_of(config).parameters(), 3 * block + 64 + int64_t{2} * 100 * 64);
}

TEST(Families, MalformedConfigurationsAreRefusedByField) {
  EXPECT_TRUE(refusal_with("model_type", "megatron")
                  .starts_with("config.json: model_type: unknown family \"megatron\"; known are llama, mistral, "));
  EXPECT_EQ(refusal_with("model_type", 5), "config.json: model_type: expected a string");
  EXPECT_EQ(refusal_with("num_hidden_layers", 0), "config.json: num_hidden_layers: 0 is less than 1");
  EXPECT_EQ(refusal_with("num_hidden_layers", -1), "config.json: num_hidden_layers: -1 is less than 1");
  EXPECT_EQ(refusal_with("num_hidden_layers", 1e30), "config.json: num_hidden_layers: expected a whole number");
  EXPECT_EQ(refusal_with("num_hidden_layers", 1000000000),
            "config.json: num_hidden_layers: 1000000000 is more than 100000");
  EXPECT_EQ(refusal_with("num_attention_heads", 5), "config.json: hidden_size: 64 does not divide into 5 heads");
  EXPECT_EQ(refusal_with("num_key_value_heads", 3),
            "config.json: 4 attention heads can't share 3 key/value heads evenly");
  EXPECT_EQ(refusal_with("num_key_value_heads", 0),
            "config.json: the number of key/value heads is 0, expected 1 to 65536");
  EXPECT_EQ(refusal_with("head_dim", 15), "config.json: head dimension 15 is odd, rope needs pairs");
  EXPECT_EQ(refusal_with("head_dim", int64_t{1} << 60),
            "config.json: the head dimension is 1152921504606846976, expected 1 to 65536");
  EXPECT_EQ(refusal_with("hidden_act", "mish"), "config.json: hidden_act: unknown activation \"mish\"");
  EXPECT_EQ(refusal_with("rope_scaling", {{"type", "linear"}}), "config.json: rope_scaling: lacks \"factor\"");
  EXPECT_EQ(refusal_with("rope_scaling", {{"type", "linear"}, {"factor", 0}}),
            "config.json: the rope scaling factor is not positive");
  EXPECT_EQ(refusal_with("rope_theta", -1), "config.json: rope theta is not positive");
  EXPECT_EQ(refusal_with("tie_word_embeddings", "yes"), "config.json: tie_word_embeddings: expected true or false");
  EXPECT_EQ(refusal_with("vocab_size", "many"), "config.json: vocab_size: expected a whole number");
  EXPECT_EQ(refusal(Json::array()), "config.json: expected an object");
  EXPECT_EQ(refusal(Json::object()), "config.json: lacks \"model_type\"");
}

TEST(Families, ModelsOfOtherKindsAreRefusedByNameWithTheReason) {
  const std::string state_space =
      "is a state-space model: it has no attention and no blocks of attention and MLP to remove";
  const std::string hybrid =
      "is a hybrid: some of its blocks have a recurrent state or a convolution in place of attention, which sleb does "
      "not "
      "compute";
  const std::string encoder = "is an encoder: it sees later tokens too, so it has no perplexity to search by";
  const std::string encoder_decoder = "is an encoder and a decoder; sleb removes blocks from decoders alone";
  const std::string mixture = "is a mixture of experts, which sleb does not compute yet";
  const std::pair<std::string, std::string> refused[] = {
      {"mamba", state_space},
      {"mamba2", state_space},
      {"rwkv", state_space},
      {"jamba", hybrid},
      {"granitemoehybrid", hybrid},
      {"qwen3_next", hybrid},
      {"falcon_h1", hybrid},
      {"recurrent_gemma", hybrid},
      {"bert", encoder},
      {"t5", encoder_decoder},
      {"chatglm",
       "is computed by Python code of the model's own, which sleb does not run and transformers does not have"}};
  for (const auto& [type, reason] : refused) {
    EXPECT_EQ(refusal({{"model_type", type}}), fmt::format("config.json: model_type: \"{}\" {}", type, reason));
  }
  EXPECT_EQ(
      refusal({{"model_type", "gpt2"}, {"scale_attn_by_inverse_layer_idx", true}}),
      "config.json: scale_attn_by_inverse_layer_idx: the scale of a block's attention depends on its number, which "
      "changes with removal");
  EXPECT_EQ(refusal({{"model_type", "gemma3_text"}, {"use_bidirectional_attention", true}}),
            "config.json: use_bidirectional_attention: attention to later tokens is not known here");
}

TEST(Families, NoTwoRowsHaveOneName) {
  std::set<std::string_view> names;
  for (const Family& family : families()) {
    EXPECT_TRUE(names.insert(family.model_type).second) << family.model_type;
    EXPECT_FALSE(family.models.empty()) << family.model_type;
    EXPECT_TRUE(reason_of_refusal(family.model_type).empty()) << family.model_type;
  }
}

// configuration_mixtral.py, configuration_qwen2_moe.py.
TEST(Families, ExpertsAreReadUnderTheirFamiliesNames) {
  Json config = small_config();
  config.update({{"model_type", "mixtral"}, {"num_key_value_heads", 2}, {"num_local_experts", 4}});
  const ModelSpec mixtral = spec_of(config);
  EXPECT_EQ(mixtral.experts, (ExpertSpec{.count = 4, .chosen = 2, .size = 96, .normalized = true}));
  EXPECT_EQ(mixtral.parameters() - mixtral.active_parameters(), 3 * 2 * 3 * 96 * 64);
  EXPECT_EQ(mixtral.expert_weights(1, 3, std::vector{Part::expert_down})[0].name,
            "model.layers.1.block_sparse_moe.experts.3.w2.weight");
  EXPECT_EQ(refusal_with("num_experts_per_tok", 5, config), "config.json: each token chooses 5 of 4 experts");

  Json qwen = small_config();
  qwen.update({{"model_type", "qwen2_moe"},
               {"num_key_value_heads", 2},
               {"num_experts", 6},
               {"norm_topk_prob", true},
               {"moe_intermediate_size", 40},
               {"shared_expert_intermediate_size", 56}});
  EXPECT_EQ(spec_of(qwen).experts,
            (ExpertSpec{.count = 6, .chosen = 4, .size = 40, .normalized = true, .shared_size = 56}));

  // transformers 5 writes num_local_experts where the hub's files have num_experts.
  Json qwen3 = small_config();
  qwen3.update({{"model_type", "qwen3_moe"}, {"num_key_value_heads", 2}, {"num_local_experts", 16}});
  EXPECT_EQ(spec_of(qwen3).experts, (ExpertSpec{.count = 16, .chosen = 8, .size = 768}));
  qwen3["num_experts"] = qwen3["num_local_experts"];
  qwen3.erase("num_local_experts");
  EXPECT_EQ(spec_of(qwen3).experts.count, 16);
}

// Qwen2MoeDecoderLayer: a block has experts if its number, counted from 1, is a multiple of the step.
TEST(Families, SomeBlocksOfAMixtureHaveNone) {
  Json config = small_config();
  config.update({{"model_type", "qwen3_moe"},
                 {"num_hidden_layers", 6},
                 {"num_key_value_heads", 2},
                 {"num_experts", 6},
                 {"num_experts_per_tok", 2},
                 {"moe_intermediate_size", 40},
                 {"decoder_sparse_step", 2},
                 {"mlp_only_layers", {3, 7}}});
  const ModelSpec spec = spec_of(config);
  EXPECT_EQ(spec.dense_blocks, (std::vector<int64_t>{0, 2, 3, 4}));
  EXPECT_EQ(spec.num_mixtures(), 2);
  EXPECT_EQ(spec.block_with(Part::router), 1);
  EXPECT_EQ(spec.block_with(Part::down), 0);
  EXPECT_EQ(spec.block_with(Part::shared_down), std::nullopt);
  const int64_t dense = 3 * 96 * 64 + 64, mixture = 6 * 64 + 6 * 3 * 40 * 64 + 64;
  EXPECT_EQ(spec.half_parameters(0, Half::mlp), dense);
  EXPECT_EQ(spec.half_parameters(1, Half::mlp), mixture);
  EXPECT_EQ(spec.blocks_parameters(), 6 * spec.half_parameters(0, Half::attention) + 4 * dense + 2 * mixture);
  EXPECT_EQ(spec.block_parameters(), spec.half_parameters(0, Half::attention) + mixture);
  EXPECT_EQ(spec.parameters() - spec.active_parameters(), 2 * 4 * 3 * 40 * 64);
}

// configuration_deepseek_v3.py.
TEST(Families, KeysAndValuesComeFromOneVector) {
  Json config = small_config();
  config.update({{"model_type", "deepseek_v3"},
                 {"num_hidden_layers", 4},
                 {"kv_lora_rank", 20},
                 {"qk_nope_head_dim", 16},
                 {"qk_rope_head_dim", 8},
                 {"v_head_dim", 12},
                 {"rope_scaling", {{"type", "yarn"}, {"factor", 40}, {"mscale", 1}, {"mscale_all_dim", 1}}}});
  ModelSpec spec = spec_of(config);
  EXPECT_EQ(spec.latent, (LatentSpec{20, 1536, 16, 8, 12}));
  EXPECT_EQ(spec.head_dim, 24);
  EXPECT_EQ(spec.ropes[0].dims, 8);
  EXPECT_EQ(spec.ropes[0].attention_factor, 1);
  const double scale = 0.1 * std::log(40) + 1;
  EXPECT_DOUBLE_EQ(spec.attention_scale, scale * scale / std::sqrt(24));
  EXPECT_EQ(spec.dense_blocks, (std::vector<int64_t>{0, 1, 2}));
  EXPECT_EQ(spec.appended_blocks, 1);
  EXPECT_EQ(spec.part_shape(Part::attention_output), (std::vector<int64_t>{64, 4 * 12}));
  EXPECT_EQ(spec.part_shape(Part::latent_key_value), (std::vector<int64_t>{4 * 28, 20}));
  EXPECT_EQ(spec.part_name(3, Part::query), "model.layers.3.self_attn.q_b_proj");
  EXPECT_EQ(spec.stored_weights(3, std::vector{Part::score_correction})[0].name,
            "model.layers.3.mlp.gate.e_score_correction_bias");
  config["q_lora_rank"] = nullptr;
  spec = spec_of(config);
  EXPECT_EQ(spec.part_name(3, Part::query), "model.layers.3.self_attn.q_proj");
  EXPECT_FALSE(spec.has_weight(Part::query_latent));
  EXPECT_EQ(refusal_with("v_head_dim", 25, config),
            "config.json: values of 25 dimensions beside keys of 24: not known here");
}

// modeling_minicpm.py.
TEST(Families, MiniCpmScalesByDepthAndWidth) {
  Json config = small_config();
  config.update({{"model_type", "minicpm"}, {"scale_emb", 12}, {"scale_depth", 1.5}, {"dim_model_base", 16}});
  const ModelSpec spec = spec_of(config);
  EXPECT_EQ(spec.embedding_scale, 12);
  EXPECT_EQ(spec.residual_scale, 1.5 / std::sqrt(3.0));
  EXPECT_EQ(spec.logit_scale, 0.25);
  EXPECT_TRUE(spec.tied_head);
  for (const char* key : {"scale_emb", "scale_depth", "dim_model_base"}) {
    Json other = config;
    other.erase(key);
    EXPECT_EQ(refusal(other), fmt::format("config.json: lacks \"{}\"", key));
  }
  EXPECT_EQ(refusal_with("num_experts", 8, config),
            "config.json: num_experts: mixtures of experts are not computed here");
  EXPECT_EQ(refusal_with("sparse_config", {{"dense_len", 8192}}, config),
            "config.json: sparse_config: sparse attention is not known here; without this member the model is dense");
}

// modeling_internlm2.py: biases unless config.json says otherwise; configuration_exaone.py: the MLP's size.
TEST(Families, WhatPublishedCodeAssumes) {
  Json config = small_config();
  config["model_type"] = "internlm2";
  EXPECT_TRUE(spec_of(config).qkv_bias && spec_of(config).attention_output_bias && !spec_of(config).mlp_bias);
  config["bias"] = false;
  EXPECT_FALSE(spec_of(config).qkv_bias || spec_of(config).attention_output_bias);
  const Json exaone = {{"model_type", "exaone"},
                       {"num_layers", 3},
                       {"hidden_size", 64},
                       {"num_attention_heads", 4},
                       {"vocab_size", 100}};
  EXPECT_EQ(spec_of(exaone).intermediate_size, 256);
  EXPECT_EQ(spec_of(exaone).norm_eps, 1e-5);
  EXPECT_TRUE(spec_of(exaone).tied_head);
}

TEST(Families, OptIsWhatItsConfigurationSays) {
  Json config = small_opt_config();
  const ModelSpec absent = spec_of(config);
  EXPECT_EQ(absent.norm, NormKind::layer);
  EXPECT_EQ(absent.norm_placement, NormPlacement::before);
  EXPECT_EQ(absent.norm_eps, 1e-5);
  EXPECT_TRUE(absent.norm_weight && absent.norm_bias && absent.final_norm && absent.tied_head);
  EXPECT_TRUE(absent.qkv_bias && absent.attention_output_bias && absent.mlp_bias);
  EXPECT_EQ(absent.mlp, MlpKind::plain);
  EXPECT_EQ(absent.activation, Activation::relu);
  EXPECT_EQ(absent.position, PositionKind::learned);
  EXPECT_EQ(absent.max_positions, 2048);
  EXPECT_EQ(absent.embedding_size, 64);
  EXPECT_EQ(absent.num_kv_heads, 4);

  config["word_embed_proj_dim"] = nullptr;
  EXPECT_FALSE(spec_of(config).has_projections());
  config["word_embed_proj_dim"] = 32;
  config["do_layer_norm_before"] = false;
  config["enable_bias"] = false;
  config["layer_norm_elementwise_affine"] = false;
  config["activation_function"] = "gelu";
  config["tie_word_embeddings"] = false;
  const ModelSpec other = spec_of(config);
  EXPECT_TRUE(other.has_projections());
  EXPECT_EQ(other.norm_placement, NormPlacement::after);
  EXPECT_FALSE(other.norm_weight || other.norm_bias || other.final_norm || other.tied_head);
  EXPECT_FALSE(other.qkv_bias || other.attention_output_bias || other.mlp_bias);
  EXPECT_EQ(other.activation, Activation::gelu);

  config = small_opt_config();
  config["_remove_final_layer_norm"] = true;
  EXPECT_FALSE(spec_of(config).final_norm);
  // Not among OPT's keys.
  config["num_key_value_heads"] = 2;
  config["attention_bias"] = false;
  config["sliding_window"] = 5;
  EXPECT_EQ(spec_of(config).num_kv_heads, 4);
  EXPECT_TRUE(spec_of(config).qkv_bias);
  EXPECT_EQ(spec_of(config).sliding_windows, (std::vector<int64_t>(3, 0)));
}

TEST(Families, ParametersOfOptAreCounted) {
  Json config = small_opt_config();
  // Per block: two norms 2 x 64, four attention matrices 64 x 64 + 64, up 96 x 64 + 96, down 64 x 96 + 64.
  constexpr int64_t block = 256 + int64_t{4} * 4160 + 6240 + 6208;
  EXPECT_EQ(spec_of(config).block_parameters(), block);
  EXPECT_EQ(spec_of(config).parameters(), 3 * block + 128 + int64_t{2050} * 64 + int64_t{100} * 64);
  config["word_embed_proj_dim"] = 32;
  config["do_layer_norm_before"] = false;
  EXPECT_EQ(spec_of(config).parameters(), 3 * block + int64_t{2050} * 64 + int64_t{100} * 32 + int64_t{2} * 32 * 64);
}

// Published counts: transformers' num_parameters() of facebook's models.
TEST(Families, ParametersOfPublishedOptModels) {
  const auto parameters = [](int64_t blocks, int64_t hidden, int64_t heads, int64_t embedding, bool norm_before) {
    return spec_of({{"model_type", "opt"},
                    {"num_hidden_layers", blocks},
                    {"hidden_size", hidden},
                    {"ffn_dim", 4 * hidden},
                    {"num_attention_heads", heads},
                    {"word_embed_proj_dim", embedding},
                    {"do_layer_norm_before", norm_before},
                    {"vocab_size", 50272}})
        .parameters();
  };
  EXPECT_EQ(parameters(12, 768, 12, 768, true), 125239296);
  EXPECT_EQ(parameters(24, 1024, 16, 512, false), 331196416);
  EXPECT_EQ(parameters(24, 2048, 32, 2048, true), 1315758080);
  EXPECT_EQ(parameters(64, 9216, 72, 9216, true), 65719701504);
}

TEST(Families, MalformedOptConfigurationsAreRefusedByField) {
  const auto refused = [](const std::string& key, const Json& value) {
    return refusal_with(key, value, small_opt_config());
  };
  EXPECT_EQ(refused("word_embed_proj_dim", 0), "config.json: word_embed_proj_dim: 0 is less than 1");
  EXPECT_EQ(refused("word_embed_proj_dim", -4), "config.json: word_embed_proj_dim: -4 is less than 1");
  EXPECT_EQ(refused("word_embed_proj_dim", "wide"), "config.json: word_embed_proj_dim: expected a whole number");
  EXPECT_EQ(refused("num_attention_heads", 5), "config.json: hidden_size: 64 does not divide into 5 heads");
  EXPECT_EQ(refused("num_attention_heads", 0), "config.json: num_attention_heads: 0 is less than 1");
  EXPECT_EQ(refused("ffn_dim", nullptr), "config.json: lacks \"ffn_dim\"");
  EXPECT_EQ(refused("ffn_dim", -96), "config.json: ffn_dim: -96 is less than 1");
  EXPECT_EQ(refused("hidden_size", -64), "config.json: hidden_size: -64 is less than 1");
  EXPECT_EQ(refused("vocab_size", -1), "config.json: vocab_size: -1 is less than 1");
  EXPECT_EQ(refused("max_position_embeddings", -2), "config.json: max_position_embeddings: -2 is less than 1");
  EXPECT_EQ(refused("max_position_embeddings", 0), "config.json: max_position_embeddings: 0 is less than 1");
  EXPECT_EQ(refused("max_position_embeddings", int64_t{1} << 39),
            "config.json: the number of learned positions is 549755813888, expected 1 to 268435456");
  EXPECT_EQ(refused("activation_function", "mish"), "config.json: activation_function: unknown activation \"mish\"");
  EXPECT_EQ(refused("do_layer_norm_before", "no"), "config.json: do_layer_norm_before: expected true or false");
  EXPECT_EQ(refused("enable_bias", 1), "config.json: enable_bias: expected true or false");
  EXPECT_EQ(refused("layer_norm_elementwise_affine", 0),
            "config.json: layer_norm_elementwise_affine: expected true or false");
  EXPECT_EQ(refused("_remove_final_layer_norm", "x"), "config.json: _remove_final_layer_norm: expected true or false");
}

TEST(Families, LearnedPositionsEndAndRotaryOnesDoNot) {
  Json config = small_opt_config();
  config["max_position_embeddings"] = 50;
  const ModelSpec opt = spec_of(config);
  EXPECT_NO_THROW(check_sequence_length(opt, 50, "--seqlen"));
  EXPECT_EQ(error_message([&] { check_sequence_length(opt, 51, "--seqlen"); }),
            "--seqlen: 51 tokens are more than the 50 positions that the model has learned; give at most 50");
  EXPECT_NO_THROW(check_sequence_length(spec_of(small_config()), 100000, "--seqlen"));
}

}  // namespace
}  // namespace sleb
