// What a model is, as data: everything the engine needs to run it and the exporter to renumber it. Code reads a
// ModelSpec; no code asks for a family by name.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sleb {

enum class Activation { silu, gelu, gelu_tanh, relu };

enum class NormKind {
  rms,    // x / rms(x) * weight (Zhang and Sennrich, arXiv 1910.07467)
  layer,  // (x - mean(x)) / std(x) * weight + bias (Ba et al., arXiv 1607.06450)
};

// Where a half of a block (f: attention or MLP) has its norm.
enum class NormPlacement {
  before,  // hidden + f(norm(hidden)): "pre-norm"
  after,   // norm(hidden + f(hidden)): "post-norm"
};

enum class MlpKind {
  gated,  // down(activation(gate(x)) * up(x))
  plain,  // down(activation(up(x)))
};

enum class PositionKind {
  rotary,   // queries and keys turn with their position: RopeSpec
  learned,  // a row of a table is added to each token's embedding; there are no positions beyond the table
};

// Rotary position embedding (RoFormer, arXiv 2104.09864): pair i of a head turns by position * frequency_i, where
// frequency_i = theta^(-2i / head_dim), changed by `scaling`.
struct RopeSpec {
  enum class Scaling {
    none,
    linear,   // every frequency divided by `factor`
    dynamic,  // theta grows once a sequence is longer than max_positions ("dynamic NTK")
    llama3,   // low frequencies divided by `factor`, high ones kept, a ramp between (Llama 3.1)
  };
  double theta = 10000;
  Scaling scaling = Scaling::none;
  double factor = 1;
  double low_freq_factor = 1;
  double high_freq_factor = 4;
  int64_t original_max_positions = 0;          // llama3
  std::vector<float> frequency_divisors = {};  // [head_dim / 2], a GGUF's rope_freqs: used in place of `scaling`
};

// The parts of a block, in the order in which every table lists them.
enum class Part { attention_norm, query, key, value, attention_output, mlp_norm, gate, up, down };
inline constexpr std::array all_parts = {
    Part::attention_norm, Part::query, Part::key, Part::value, Part::attention_output,
    Part::mlp_norm,       Part::gate,  Part::up,  Part::down};

// Names of a family's tensors in its Hugging Face checkpoints, without ".weight" and ".bias"; empty where no model of
// the family has such a tensor.
struct TensorNames {
  std::string_view embedding;         // [vocabulary, embedding]
  std::string_view positions = {};    // [positions + offset, hidden]
  std::string_view project_in = {};   // [hidden, embedding]
  std::string_view final_norm;        // [hidden]
  std::string_view project_out = {};  // [embedding, hidden]
  std::string_view head;              // [vocabulary, embedding]
  std::string_view block_prefix;      // "model.layers.": the block's index and a point follow
  std::array<std::string_view, all_parts.size()> parts;
};

struct TensorShape {
  std::string name;  // with its ending: "model.norm.weight"
  std::vector<int64_t> shape;
};

struct ModelSpec {
  std::string family = {};        // config.json's model_type
  std::string architecture = {};  // "LlamaForCausalLM"
  std::string stored_dtype = {};  // what config.json says the weights are: "bfloat16"; empty where it says nothing
  const TensorNames* names = nullptr;

  int64_t num_blocks = 0;
  int64_t hidden_size = 0;
  int64_t embedding_size = 0;  // of a token's embedding and of the head; projected where it isn't the hidden size
  int64_t num_heads = 0;
  int64_t num_kv_heads = 0;
  int64_t head_dim = 0;
  int64_t intermediate_size = 0;
  int64_t vocabulary_size = 0;
  int64_t max_positions = 0;

  NormKind norm = NormKind::rms;
  NormPlacement norm_placement = NormPlacement::before;
  double norm_eps = 0;
  bool norm_weight = true;
  bool norm_bias = false;
  bool final_norm = true;  // before the head
  MlpKind mlp = MlpKind::gated;
  Activation activation = Activation::silu;
  bool qkv_bias = false;
  bool attention_output_bias = false;
  bool mlp_bias = false;
  bool tied_head = false;
  PositionKind position = PositionKind::rotary;
  int64_t position_offset = 0;  // learned: the table's row of the first position
  RopeSpec rope = {};           // rotary
  // [num_blocks]: a query sees that many latest positions, itself included; 0: all of them.
  std::vector<int64_t> sliding_windows = {};

  // The embedding and the head are narrower or wider than the blocks: project_in and project_out stand between.
  bool has_projections() const { return embedding_size != hidden_size; }
  // "model.layers.4.mlp.down_proj" (without ".weight").
  std::string part_name(int64_t block, Part part) const;
  bool has_weight(Part part) const;
  bool has_bias(Part part) const;
  // Shape of the part's weight: [out features, in features], or [hidden] of a norm.
  std::vector<int64_t> part_shape(Part part) const;
  // Every tensor of the model in the order of computation: embedding, blocks, final norm, and the head unless it is
  // tied.
  std::vector<TensorShape> tensors() const;
  int64_t block_parameters() const;
  // All parameters, a tied head counted once.
  int64_t parameters() const;
};

// Throws Error(bad_input), beginning with `label`, if the numbers don't make a model (heads that do not divide, zero
// blocks, ...).
void check(const ModelSpec& spec, std::string_view label);

// Throws Error(bad_input) if so many tensors can't be that many blocks: known before anything is made for every block
// of a configuration that promises a hundred thousand.
void check_block_count(const ModelSpec& spec, size_t num_tensors, std::string_view label);

// Throws Error(bad_input), beginning with `label`, if a sequence of that many tokens has more positions than the model
// learned. (Rotary positions have no end; beyond max_positions they only get worse.)
void check_sequence_length(const ModelSpec& spec, int64_t tokens, std::string_view label);

}  // namespace sleb
