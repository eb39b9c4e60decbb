#include "sleb/export/pruned_config.h"

#include <algorithm>

namespace sleb {
namespace {

// Lists whose length has nothing to do with the number of blocks, even where both happen to be equal.
bool is_never_per_block(std::string_view key) {
  return key == "architectures" || key.ends_with("_token_id") || key.ends_with("_token_ids");
}

}  // namespace

std::vector<int64_t> kept_blocks(int64_t num_blocks, const std::vector<int64_t>& removal_list) {
  std::vector<int64_t> kept;
  for (int64_t block = 0; block < num_blocks; ++block) {
    if (std::ranges::count(removal_list, block) == 0) kept.push_back(block);
  }
  return kept;
}

OrderedJson prune_config(OrderedJson config, const std::vector<int64_t>& kept, const std::string& dtype) {
  const auto num_blocks = config.at("num_hidden_layers").get<size_t>();
  for (auto& [key, value] : config.items()) {
    if (!value.is_array() || value.size() != num_blocks || is_never_per_block(key)) continue;
    OrderedJson cut = OrderedJson::array();
    for (const int64_t block : kept) cut.push_back(value[static_cast<size_t>(block)]);
    value = std::move(cut);
  }
  config["num_hidden_layers"] = kept.size();
  if (!dtype.empty()) {
    // transformers 5 reads "dtype", 4 reads "torch_dtype"; each reads the other's spelling as a fallback.
    config.erase("torch_dtype");
    config["dtype"] = dtype;
    config["torch_dtype"] = dtype;
  }
  return config;
}

}  // namespace sleb
