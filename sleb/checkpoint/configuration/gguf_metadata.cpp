#include "sleb/checkpoint/configuration/gguf_metadata.h"

#include <algorithm>
#include <variant>

#include "sleb/base/error.h"

namespace sleb {

std::string ModelMetadata::key(std::string_view name) const {
  return fmt::format("{}.{}", architecture_, name);
}

void ModelMetadata::refuse(std::string_view name, std::string_view what) const {
  bad_input("{}: {}", metadata_place(file_.label(), key(name)), what);
}

int64_t ModelMetadata::size(std::string_view name, int64_t most) const {
  const int64_t value = file_.integer(key(name));
  if (value < 1 || value > most) refuse(name, fmt::format("{} is not between 1 and {}", value, most));
  return value;
}

std::optional<std::vector<bool>> ModelMetadata::find_flags(std::string_view name) const {
  if (!has(name)) return {};
  const GgufValue& value = file_.metadata().at(key(name));
  if (const auto* flags = std::get_if<std::vector<bool>>(&value)) return *flags;
  const auto* numbers = std::get_if<std::vector<int64_t>>(&value);
  if (numbers == nullptr) return {};
  return std::vector<bool>(numbers->begin(), numbers->end());
}

int64_t ModelMetadata::size_in_all_blocks(std::string_view name, int64_t num_blocks) const {
  if (!has(name) || !std::holds_alternative<std::vector<int64_t>>(file_.metadata().at(key(name)))) return size(name);
  const std::vector<int64_t>& values = file_.integers(key(name));
  if (values.empty() || static_cast<int64_t>(values.size()) != num_blocks) {
    refuse(name, fmt::format("{} values for {} blocks", values.size(), num_blocks));
  }
  const auto other = std::ranges::find_if(values, [&](int64_t value) { return value != values[0]; });
  if (other != values.end()) {
    refuse(name, fmt::format("{} in block 0 and {} in block {}: models whose blocks have different shapes are not "
                             "known here",
                             values[0], *other, other - values.begin()));
  }
  if (values[0] < 1) refuse(name, fmt::format("{} is not positive", values[0]));
  return values[0];
}

}  // namespace sleb
