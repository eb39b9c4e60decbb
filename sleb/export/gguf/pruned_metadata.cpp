#include "sleb/export/gguf/pruned_metadata.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <type_traits>
#include <variant>

#include "sleb/base/error.h"
#include "sleb/checkpoint/configuration/gguf_architecture.h"

namespace sleb {
namespace {

// Without the architecture in front: what llama.cpp reads as one value or one a block (src/llama-model.cpp,
// src/models/).
constexpr std::string_view one_value_a_block[] = {"attention.compress_ratios",
                                                  "attention.head_count",
                                                  "attention.head_count_kv",
                                                  "attention.indexer.types",
                                                  "attention.recurrent_layers",
                                                  "attention.rope_pattern",
                                                  "attention.sliding_window_pattern",
                                                  "expert_feed_forward_length",
                                                  "expert_used_count",
                                                  "feed_forward_length",
                                                  "swiglu_clamp_exp",
                                                  "swiglu_clamp_shexp"};
constexpr std::string_view one_value_a_block_of_any[] = {"xielu.alpha_n", "xielu.alpha_p", "xielu.beta", "xielu.eps"};
// Lists whose length has nothing to do with the number of blocks.
constexpr std::string_view other_arrays[] = {"rope.dimension_sections"};
constexpr std::string_view left_alone = "it is left as it is, see whether the pruned model needs another";
constexpr std::string_view window_pattern = "attention.sliding_window_pattern";

template <size_t count>
bool is_listed(std::string_view key, const std::string_view (&keys)[count]) {
  return std::ranges::find(keys, key) != std::end(keys);
}

// Elements of a list; nothing for a single value.
std::optional<size_t> length_of(const GgufValue& value) {
  return std::visit(
      []<typename Value>(const Value& content) -> std::optional<size_t> {
        if constexpr (std::is_arithmetic_v<Value> || std::is_same_v<Value, std::string>) {
          return {};
        } else {
          return content.size();
        }
      },
      value);
}

class Pruning {
 public:
  Pruning(const GgufFile& file, const ModelSpec& spec, const std::vector<int64_t>& kept)
      : file_(file), spec_(spec), kept_(kept), prefix_(file.string("general.architecture") + ".") {}

  PrunedGgufMetadata run() {
    for (const auto& [key, value] : file_.encoded_metadata()) add(key, value);
    if (std::ssize(kept_) == spec_.num_blocks) return std::move(pruned_);
    const int64_t blocks = std::ssize(kept_) + spec_.appended_blocks;
    set(pruned_.entries, prefix_ + "block_count", gguf_value::u32(static_cast<uint32_t>(blocks)));
    if (file_.has(prefix_ + "leading_dense_block_count") && spec_.is_mixture()) {
      const auto dense = std::ranges::count_if(kept_, [&](int64_t block) { return !spec_.is_mixture(block); });
      set(pruned_.entries, prefix_ + "leading_dense_block_count", gguf_value::u32(static_cast<uint32_t>(dense)));
    }
    if (const auto name = file_.find_string("general.name")) {
      set(pruned_.entries, "general.name",
          gguf_value::string(fmt::format("{} ({} of {} blocks)", *name, kept_.size(), spec_.num_blocks)));
    }
    say_windows();
    say_query_latent();
    return std::move(pruned_);
  }

 private:
  void add(const std::string& key, Bytes value) {
    if (key.starts_with("split.") || key.starts_with("sleb.")) return;
    const bool is_own = key.starts_with(prefix_);
    const std::string_view name = is_own ? std::string_view(key).substr(prefix_.size()) : std::string_view(key);
    const bool is_list_of_blocks =
        is_own ? is_listed(name, one_value_a_block) : is_listed(key, one_value_a_block_of_any);
    const auto length = length_of(file_.metadata().at(key));
    const bool fits = length == static_cast<size_t>(spec_.num_blocks);
    const bool cuts = std::ssize(kept_) < spec_.num_blocks;
    if (is_list_of_blocks && fits) {
      pruned_.entries.push_back({key, gguf_value::elements_of(value, kept_, metadata_place(file_.label(), key))});
      return;
    }
    if (cuts && length && is_list_of_blocks)
      warn(key, fmt::format("does not fit a model of {} blocks; {}", spec_.num_blocks, left_alone));
    if (cuts && is_own && !is_list_of_blocks && fits && spec_.num_blocks > 1 && !is_listed(name, other_arrays)) {
      warn(key, fmt::format("is as long as the model is deep, but not known as a list of blocks; {}", left_alone));
    }
    pruned_.entries.push_back({key, std::string(reinterpret_cast<const char*>(value.data()), value.size())});
  }

  void warn(std::string_view key, std::string_view what) {
    pruned_.warnings.push_back(fmt::format("{} {}", metadata_place(file_.label(), key), what));
  }

  // A period, given or llama.cpp's own for the architecture, no longer says which of the kept blocks have a window.
  void say_windows() {
    const std::string key = prefix_ + std::string(window_pattern);
    const bool is_list = file_.has(key) && length_of(file_.metadata().at(key));
    const auto slides = [&](int64_t block) {
      const auto index = static_cast<size_t>(block);
      return spec_.sliding_windows[index] > 0 || (spec_.ropes.size() > 1 && spec_.block_ropes[index] > 0);
    };
    std::vector<bool> windows;
    int64_t sliding = 0;
    for (int64_t block = 0; block < spec_.num_blocks; ++block) sliding += slides(block) ? 1 : 0;
    for (const int64_t block : kept_) windows.push_back(slides(block));
    if (is_list || sliding == 0 || sliding == spec_.num_blocks) return;
    set(pruned_.entries, key, gguf_value::booleans(windows));
    const std::string architecture = file_.string("general.architecture");
    if (find_gguf_architecture(architecture).blocks_with_window == spec_.num_blocks) {
      warn(key, fmt::format("is what llama.cpp reads in {} models of {} blocks only", architecture, spec_.num_blocks));
    }
  }

  // llama.cpp knows those that lack it by their depth.
  void say_query_latent() {
    const std::string key = prefix_ + "attention.q_lora_rank";
    if (!find_gguf_architecture(file_.string("general.architecture")).latent_as_one_key) return;
    if (!file_.has(key)) set(pruned_.entries, key, gguf_value::u32(0));
    if (spec_.latent.query_size > 0 && is_taken_for_lite(std::ssize(kept_), spec_.vocabulary_size)) {
      warn(key, lite_warning(std::ssize(kept_)));
    }
  }

  const GgufFile& file_;
  const ModelSpec& spec_;
  const std::vector<int64_t>& kept_;
  std::string prefix_;
  PrunedGgufMetadata pruned_;
};

}  // namespace

bool is_taken_for_lite(int64_t num_blocks, int64_t vocabulary_size) {
  return num_blocks == 26 || num_blocks == 27 || (num_blocks == 48 && vocabulary_size == 128256);
}

std::string lite_warning(int64_t num_blocks) {
  return fmt::format(
      "is not read by llama.cpp in a deepseek2 model of {} blocks, which it does not load then; remove "
      "a block more or less",
      num_blocks);
}

PrunedGgufMetadata prune_gguf_metadata(const GgufFile& file, const ModelSpec& spec, const std::vector<int64_t>& kept) {
  return Pruning(file, spec, kept).run();
}

}  // namespace sleb
