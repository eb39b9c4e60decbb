#include "sleb/export/pruned_config.h"

#include <algorithm>
#include <charconv>

#include "sleb/base/error.h"

namespace sleb {
namespace {

// Lists whose length has nothing to do with the number of blocks, even where both happen to be equal.
bool is_never_per_block(std::string_view key) {
  return key == "architectures" || key.ends_with("_token_id") || key.ends_with("_token_ids");
}

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == text.npos;
}

// transformers and vLLM take these names as regular expressions, compressed-tensors those after "re:", others with "*".
bool is_pattern(std::string_view name) {
  return name.starts_with("re:") || name.find_first_of("*+?()[]{}|^$\\") != name.npos;
}

// A module's name in a model without the other blocks; nothing if it is gone with its block.
class ModuleRenaming {
 public:
  explicit ModuleRenaming(const std::vector<int64_t>& kept) : kept_(kept) {
    for (size_t i = 0; i < kept.size(); ++i) keeps_numbers_ &= kept[i] == static_cast<int64_t>(i);
  }

  std::optional<std::string> operator()(const std::string& name, const std::string& place) const {
    if (is_pattern(name)) {
      const bool picks_blocks = name.find_first_of("0123456789") != name.npos;
      if (picks_blocks && !keeps_numbers_) refuse(name, place);
      return name;
    }
    size_t begin = 0;
    for (bool after_layers = false; begin < name.size();) {
      const size_t end = std::min(name.find('.', begin), name.size());
      const std::string component = name.substr(begin, end - begin);
      if (is_number(component)) {
        if (!after_layers && !keeps_numbers_) refuse(name, place);
        return after_layers ? renumbered(name, begin, component) : name;
      }
      after_layers = component == "layers";
      begin = end + 1;
    }
    return name;
  }

 private:
  [[noreturn]] static void refuse(const std::string& name, const std::string& place) {
    bad_input(
        "{}: \"{}\" picks blocks by numbers that change with removal; give --out-dtype bfloat16 to write plain weights",
        place, name);
  }

  std::optional<std::string> renumbered(const std::string& name, size_t begin, const std::string& number) const {
    int64_t block = -1;  // stays so for a number too large
    std::from_chars(number.data(), number.data() + number.size(), block);
    const auto found = std::ranges::find(kept_, block);
    if (found == kept_.end()) return {};
    return name.substr(0, begin) + std::to_string(found - kept_.begin()) + name.substr(begin + number.size());
  }

  const std::vector<int64_t>& kept_;
  bool keeps_numbers_ = true;  // the blocks that stay are the first ones
};

void renumber(OrderedJson& value, const ModuleRenaming& rename, const std::string& place) {
  if (value.is_object()) {
    OrderedJson members = OrderedJson::object();
    for (auto& [key, member] : value.items()) {
      const auto name = rename(key, place);
      if (!name) continue;
      renumber(member, rename, fmt::format("{}.{}", place, key));
      members[*name] = std::move(member);
    }
    value = std::move(members);
  } else if (value.is_array()) {
    OrderedJson elements = OrderedJson::array();
    for (auto& element : value) {
      const auto name = element.is_string() ? rename(element.get<std::string>(), place) : "";
      if (!name) continue;
      if (element.is_string()) element = *name;
      renumber(element, rename, place);
      elements.push_back(std::move(element));
    }
    value = std::move(elements);
  }
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

void renumber_modules(OrderedJson& quantization, const std::vector<int64_t>& kept, const std::string& place) {
  renumber(quantization, ModuleRenaming(kept), place);
}

}  // namespace sleb
