// What a model is, as data: everything the engine needs to run it and the exporter to renumber it. Code reads a
// ModelSpec; no code asks for a family by name.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sleb {

enum class Activation {
  silu,
  gelu,
  gelu_tanh,
  quick_gelu,
  relu,
  relu_squared,
  clamped_swish,  // of a gated MLP with ModelSpec::clamp in the place of activation(gate) * up
};

// gate * sigmoid(slope * gate) * (up + 1), where gate is at most `limit` and up between -limit and limit (GPT-OSS).
struct GateClamp {
  double slope = 1.702;
  double limit = 7;
};

enum class NormKind {
  rms,    // x / rms(x) * weight (Zhang and Sennrich, arXiv 1910.07467)
  layer,  // (x - mean(x)) / std(x) * weight + bias (Ba et al., arXiv 1607.06450)
};

// Where a half of a block (f: attention or MLP) has its norms.
enum class NormPlacement {
  before,  // hidden + f(norm(hidden)): "pre-norm"
  after,   // norm(hidden + f(hidden)): "post-norm"
  first,   // norm(hidden) + f(norm(hidden)) (some of BLOOM)
  inside,  // hidden + norm(f(hidden)) (OLMo 2)
  both,    // hidden + post_norm(f(norm(hidden))) (Gemma 2)
};

// Which heads of queries and keys are normed before rope, with the block's kind of norm.
enum class QkNorm {
  none,
  per_head,      // each head by itself, all with one weight [head_dim] (Qwen3)
  per_head_own,  // each head by itself with a weight of its own, [heads, head_dim] (Cohere)
  whole,         // all heads together, weight [heads * head_dim] (OLMo 2)
};

enum class MlpKind {
  gated,  // down(activation(gate(x)) * up(x))
  plain,  // down(activation(up(x)))
};

enum class PositionKind {
  rotary,   // queries and keys turn with their position: RopeSpec
  learned,  // a row of a table is added to each token's embedding; there are no positions beyond the table
  alibi,    // a head's scores grow with the key's position: AlibiSpec
};

// Rotary position embedding (RoFormer, arXiv 2104.09864): pair i of a head's first `dims` dimensions turns by position
// * frequency_i, where frequency_i = theta^(-2i / dims), changed by `scaling` (transformers, modeling_rope_utils.py).
struct RopeSpec {
  enum class Scaling {
    none,
    linear,    // every frequency divided by `factor`
    dynamic,   // theta grows once a sequence is longer than max_positions ("dynamic NTK")
    llama3,    // low frequencies divided by `factor`, high ones kept, a ramp between (Llama 3.1)
    yarn,      // the same with a ramp over pairs, between beta_slow and beta_fast turns (arXiv 2309.00071)
    longrope,  // divided by long_divisors in sequences longer than original_max_positions, else by short_divisors
  };
  double theta = 10000;
  int64_t dims = 0;  // even, at most head_dim; the others of a head do not turn
  Scaling scaling = Scaling::none;
  double factor = 1;
  double low_freq_factor = 1;
  double high_freq_factor = 4;
  int64_t original_max_positions = 0;  // llama3, yarn, longrope
  double beta_fast = 32;
  double beta_slow = 1;
  bool truncate = true;                    // yarn: the ramp begins and ends at whole pairs
  double attention_factor = 1;             // yarn, longrope: cosines and sines are multiplied by it
  std::vector<float> short_divisors = {};  // [dims / 2]
  std::vector<float> long_divisors = {};
  std::vector<float> frequency_divisors = {};  // [dims / 2], a GGUF's rope_freqs: used in place of `scaling`
  // Queries are multiplied by 1 + query_growth * ln(1 + floor(position / original_max_positions)) (Llama 4, Ministral
  // 3).
  double query_growth = 0;

  bool operator==(const RopeSpec&) const = default;
};

// Attention with linear biases (arXiv 2108.12409): slope of the head * position of the key is added to a score.
struct AlibiSpec {
  bool scaled = false;    // added before the scores are scaled
  bool bfloat16 = false;  // slope, and product, rounded to bfloat16 whatever the model's type
};

// Multi-head latent attention (DeepSeek V2, arXiv 2405.04434, section 2.1.2): keys and values of all heads come from
// one narrow vector a token, and perhaps queries from another. Of a head's query and key the first dimensions stay; the
// last ones turn with the position, and those of the key are all heads' together.
struct LatentSpec {
  int64_t size = 0;        // of the vector of keys and values; 0: the model has plain attention
  int64_t query_size = 0;  // 0: queries come from the hidden state
  int64_t plain_dims = 0;  // ModelSpec::head_dim is their sum
  int64_t turned_dims = 0;
  int64_t value_dim = 0;  // of a head, at most head_dim

  bool operator==(const LatentSpec&) const = default;
};
constexpr double latent_norm_eps = 1e-6;  // whatever the others' (transformers, modeling_deepseek_v3.py)

// How a router's logits become scores.
enum class ExpertScores {
  softmax,       // over all experts
  wide_softmax,  // the same of logits in float32
  sigmoid,       // of each logit by itself, in float32 (DeepSeek V3, arXiv 2412.19437, equation 15)
  // Logits are compared themselves, and the softmax is over the chosen ones alone, in the compute type (GPT-OSS).
  softmax_of_chosen,
};

// In the place of an MLP: several of its kind, of which each token goes through a few (Shazeer et al., arXiv
// 1701.06538). The router's scores say which, and by what each one's output is multiplied.
struct ExpertSpec {
  int64_t count = 0;   // 0: the model has plain MLPs
  int64_t chosen = 0;  // by each token
  int64_t size = 0;    // of an expert, as ModelSpec::intermediate_size
  ExpertScores scores = ExpertScores::softmax;
  bool corrected = false;   // Part::score_correction is added to the scores for the choice alone
  int64_t groups = 1;       // of experts that stand beside each other
  int64_t open_groups = 1;  // those that a token chooses from: with the largest sums of their
  int64_t group_terms = 1;  // so many highest scores
  bool normalized = false;  // the chosen ones' weights are divided by their sum,
  double scale = 1;         // and then multiplied by it
  int64_t shared_size = 0;  // of one more that all tokens go through; 0: there is none
  bool shared_gate = true;  // times the sigmoid of Part::shared_router
  bool biases = false;      // of the router and of the experts' matrices
  // All experts of a block are stored in one tensor [experts, in, out] without ".weight" in its name, and their biases
  // in one [experts, out]; of gate and up a column of each in turns (GPT-OSS).
  bool stacked = false;

  bool operator==(const ExpertSpec&) const = default;
};

// The parts of a block, in the order in which every table lists them.
enum class Part {
  attention_norm,
  query,
  key,
  value,
  query_norm,
  key_norm,
  query_latent,  // of latent attention, before query
  query_latent_norm,
  latent,  // with the turned dimensions of all keys below it, in the place of key and value
  latent_norm,
  latent_key_value,  // head by head
  sinks,             // [heads]; its name is whole, without ".weight"
  attention_output,
  attention_post_norm,
  mlp_norm,
  gate,
  up,
  down,
  mlp_post_norm,
  router,            // of a mixture of experts, in the place of gate, up and down
  score_correction,  // [experts]; its name is whole, without ".weight"
  expert_gate,       // one a time for each expert
  expert_up,
  expert_down,
  shared_gate,
  shared_up,
  shared_down,
  shared_router
};
inline constexpr std::array all_parts = {Part::attention_norm,
                                         Part::query,
                                         Part::key,
                                         Part::value,
                                         Part::query_norm,
                                         Part::key_norm,
                                         Part::query_latent,
                                         Part::query_latent_norm,
                                         Part::latent,
                                         Part::latent_norm,
                                         Part::latent_key_value,
                                         Part::sinks,
                                         Part::attention_output,
                                         Part::attention_post_norm,
                                         Part::mlp_norm,
                                         Part::gate,
                                         Part::up,
                                         Part::down,
                                         Part::mlp_post_norm,
                                         Part::router,
                                         Part::score_correction,
                                         Part::expert_gate,
                                         Part::expert_up,
                                         Part::expert_down,
                                         Part::shared_gate,
                                         Part::shared_up,
                                         Part::shared_down,
                                         Part::shared_router};
inline constexpr size_t num_parts = all_parts.size();

// What a block consists of: two halves, each with its norms and its residual connection.
enum class Half { attention, mlp };
std::string_view name_of(Half half);
inline Half half_of(Part part) {
  return part <= Part::attention_post_norm ? Half::attention : Half::mlp;
}

// A name for each of an enumeration's values, or for some of them.
template <typename Key, size_t count>
class NameTable {
 public:
  struct Entry {
    Key key;
    std::string_view name;
  };
  constexpr NameTable() = default;
  constexpr NameTable(std::initializer_list<Entry> entries) { set(entries); }
  // The same with other names for some.
  constexpr NameTable with(std::initializer_list<Entry> entries) const {
    NameTable other = *this;
    other.set(entries);
    return other;
  }
  constexpr std::string_view operator[](Key key) const { return names_[static_cast<size_t>(key)]; }
  constexpr const std::array<std::string_view, count>& all() const { return names_; }

 private:
  constexpr void set(std::initializer_list<Entry> entries) {
    for (const Entry& entry : entries) names_[static_cast<size_t>(entry.key)] = entry.name;
  }
  std::array<std::string_view, count> names_ = {};
};

// Where several parts have one name, one tensor holds them all: query, key and value one below the other, or group by
// group (QkvLayout); gate above up; one norm that serves both halves. "*" stands for the number of a head or of an
// expert, of which each has a tensor for itself.
using PartNames = NameTable<Part, num_parts>;
inline constexpr std::string_view each_one = "*";

// How query, key and value lie in one tensor.
enum class QkvLayout {
  one_after_another,  // all queries, all keys, all values
  by_group,           // for each key head its queries, its key, its value (GPT-NeoX, BLOOM, Falcon)
};

// Names of a family's tensors in its Hugging Face checkpoints, without ".weight" and ".bias"; empty where no model of
// the family has such a tensor.
struct TensorNames {
  std::string_view base_prefix = "model.";  // may be missing from all names
  std::string_view embedding;               // [vocabulary, embedding]
  std::string_view embedding_norm = {};     // [hidden]
  std::string_view positions = {};          // [positions + offset, hidden]
  std::string_view project_in = {};         // [hidden, embedding]
  std::string_view final_norm;              // [hidden]
  std::string_view project_out = {};        // [embedding, hidden]
  std::string_view head = "lm_head";        // [vocabulary, embedding]
  std::string_view block_prefix;            // "model.layers.": the block's index and a point follow
  PartNames parts;
};

struct TensorShape {
  std::string name;  // with its ending: "model.norm.weight"
  std::vector<int64_t> shape;
};

struct ModelSpec {
  std::string family = {};        // config.json's model_type
  std::string architecture = {};  // "LlamaForCausalLM"
  // The file holds other parts too (multimodal.h), whose tensors go into an output as they are.
  bool is_multimodal = false;
  std::string stored_dtype = {};  // what config.json says the weights are: "bfloat16"; empty where it says nothing
  TensorNames names = {};

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
  double norm_weight_offset = 0;  // added to what is stored of a norm's weight (Gemma: 1)
  bool embedding_norm = false;    // after the embedding
  bool final_norm = true;         // before the head
  QkNorm qk_norm = QkNorm::none;
  bool qk_norm_bias = false;
  // hidden + attention(norm(hidden)) + mlp(norm(hidden)), with one norm or two: the halves are bypassed together.
  bool parallel_residual = false;
  MlpKind mlp = MlpKind::gated;
  ExpertSpec experts = {};
  LatentSpec latent = {};
  Activation activation = Activation::silu;
  GateClamp clamp = {};
  bool qkv_bias = false;
  bool attention_output_bias = false;
  bool mlp_bias = false;
  bool head_bias = false;
  bool tied_head = false;
  // How the file holds matrices and the rows of queries and keys; the engine puts them in order (row_order.h).
  QkvLayout qkv_layout = QkvLayout::one_after_another;
  bool transposed_matrices = false;  // [in, out]: GPT-2's Conv1D
  bool interleaved_rope = false;     // the two dimensions of a pair stand side by side, not half a head apart
  double attention_scale = 0;        // of scores; 0: 1 / sqrt(head_dim)
  double attention_cap = 0;          // cap * tanh(score / cap) after scaling; 0: none
  // Each head's softmax has one more term, a score of its own that no value belongs to: Part::sinks (GPT-OSS).
  bool attention_sinks = false;
  double qkv_clip = 0;         // queries, keys and values are clamped to +- this; 0: not
  double embedding_scale = 1;  // rows of the embedding are multiplied by it, rounded to the compute type
  double residual_scale = 1;   // what a half adds to the hidden state is
  double logit_scale = 1;      // and logits are, before
  double logit_cap = 0;        // cap * tanh(logit / cap); 0: none
  PositionKind position = PositionKind::rotary;
  int64_t position_offset = 0;  // learned: the table's row of the first position
  AlibiSpec alibi = {};
  std::vector<RopeSpec> ropes = {};       // rotary: the kinds that blocks have
  std::vector<int64_t> block_ropes = {};  // [num_blocks]: which of them; -1: none
  // [num_blocks]: a query sees that many latest positions, itself included; 0: all of them.
  std::vector<int64_t> sliding_windows = {};
  std::vector<int64_t> without_attention = {};  // blocks that lack this half, ascending
  std::vector<int64_t> without_mlp = {};
  std::vector<int64_t> dense_blocks = {};  // of a mixture, those with an MLP in the place of experts, ascending
  // Behind the others, under the next numbers: they predict the token after the next (DeepSeek V3, section 2.2), no
  // logits come from them, and they are kept as they are.
  int64_t appended_blocks = 0;
  bool needs_bos = false;  // losses of a text without a BOS token in front mean nothing

  // The embedding and the head are narrower or wider than the blocks: project_in and project_out stand between.
  bool has_projections() const { return embedding_size != hidden_size; }
  bool lacks(int64_t block, Half half) const;
  // The first block that has this part; nothing where none has.
  std::optional<int64_t> block_with(Part part) const;
  bool is_latent() const { return latent.size > 0; }
  // Of what each head mixes.
  int64_t value_dim() const { return is_latent() ? latent.value_dim : head_dim; }
  bool is_mixture() const { return experts.count > 0; }
  // Whether this block has experts, and not an MLP.
  bool is_mixture(int64_t block) const;
  bool has_all_halves() const { return without_attention.empty() && without_mlp.empty(); }
  // "model.layers.4.mlp.down_proj" (without ".weight").
  std::string part_name(int64_t block, Part part) const;
  // In some block.
  bool has_weight(Part part) const;
  bool has_bias(Part part) const;
  bool has_weight(int64_t block, Part part) const;
  // Shape of the part's own weight as the engine uses it: [out features, in features], or that of a norm.
  std::vector<int64_t> part_shape(Part part) const;
  // The stored tensors that hold these parts of a block (weights, or biases), each once.
  std::vector<TensorShape> stored_weights(int64_t block, std::span<const Part> parts) const;
  std::vector<TensorShape> stored_biases(int64_t block, std::span<const Part> parts) const;
  // Of one expert, [out features, in features] each; of experts that are stacked, all of them in one, as it is stored.
  std::vector<TensorShape> expert_weights(int64_t block, int64_t expert, std::span<const Part> parts) const;
  std::vector<TensorShape> expert_biases(int64_t block, int64_t expert, std::span<const Part> parts) const;
  // Of a half that is there.
  std::vector<TensorShape> half_tensors(int64_t block, Half half) const;
  // Every tensor of the model in the order of computation: embedding, blocks, final norm, and the head unless it is
  // tied.
  std::vector<TensorShape> tensors() const;
  // Of a block that has both halves; of a mixture with some dense blocks, of one of the larger kind.
  int64_t block_parameters() const;
  // Of a half that is there.
  int64_t half_parameters(int64_t block, Half half) const;
  // Of all blocks as they are.
  int64_t blocks_parameters() const;
  // Blocks that have experts.
  int64_t num_mixtures() const;
  // All parameters, a tied head counted once.
  int64_t parameters() const;
  // Those that a token meets: of a mixture the chosen experts' alone.
  int64_t active_parameters() const;
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
