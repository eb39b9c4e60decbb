#include "sleb/checkpoint/packed/module_parts.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "sleb/base/error.h"

namespace sleb {

const StoredTensor* ModuleParts::find(std::string_view part) const {
  const auto found = tensors_->find(prefix_ + std::string(part));
  return found == tensors_->end() ? nullptr : &found->second;
}

std::vector<std::string> ModuleParts::parts_beginning(std::string_view beginning) const {
  const std::string whole = prefix_ + std::string(beginning);
  std::vector<std::string> parts;
  for (auto it = tensors_->lower_bound(whole); it != tensors_->end() && it->first.starts_with(whole); ++it) {
    parts.push_back(it->first.substr(prefix_.size()));
  }
  return parts;
}

std::string ModuleParts::place(std::string_view part) const {
  return fmt::format("{}: tensor {}", label_, quote(prefix_ + std::string(part)));
}

void ModuleParts::fail(std::string_view part, std::string_view what) const {
  bad_input("{}: {}", place(part), what);
}

const StoredTensor& ModuleParts::take(std::string_view part, std::initializer_list<StoredType> types) {
  const StoredTensor* tensor = find(part);
  if (tensor == nullptr) fail(part, "is missing beside the others of its weight");
  if (std::ranges::find(types, tensor->type) == types.end()) {
    std::vector<std::string_view> names;
    for (const StoredType type : types) names.push_back(name_of(type));
    fail(part, fmt::format("is {}, where {} belongs", name_of(tensor->type), fmt::join(names, " or ")));
  }
  taken_.push_back({prefix_ + std::string(part), *tensor});
  return *tensor;
}

const StoredTensor& ModuleParts::take(std::string_view part, std::initializer_list<StoredType> types,
                                      const std::vector<int64_t>& shape) {
  const StoredTensor& tensor = take(part, types);
  if (tensor.shape != shape) fail(part, fmt::format("has shape {}, its weight needs {}", tensor.shape, shape));
  return tensor;
}

void ModuleParts::take_if_there(std::string_view part) {
  if (const StoredTensor* tensor = find(part)) taken_.push_back({prefix_ + std::string(part), *tensor});
}

}  // namespace sleb
