// The tensors that a file holds of one module.
#pragma once

#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "sleb/checkpoint/packed/packed_weight.h"

namespace sleb {

class ModuleParts {
 public:
  // `prefix`: how their names begin, "model.layers.0.mlp.up_proj."; `label` begins error messages.
  ModuleParts(const std::map<std::string, StoredTensor>& tensors, std::string prefix, std::string label)
      : tensors_(&tensors), prefix_(std::move(prefix)), label_(std::move(label)) {}

  bool has(std::string_view part) const { return find(part) != nullptr; }
  const StoredTensor* find(std::string_view part) const;
  // Whose names begin so.
  std::vector<std::string> parts_beginning(std::string_view beginning) const;

  // Makes it a part of the weight. Throws Error(bad_input) where it is missing or of another type.
  const StoredTensor& take(std::string_view part, std::initializer_list<StoredType> types);
  // And where its shape is another.
  const StoredTensor& take(std::string_view part, std::initializer_list<StoredType> types,
                           const std::vector<int64_t>& shape);
  // Nothing is asked of it: what a program that serves the model needs beside the weight.
  void take_if_there(std::string_view part);

  [[noreturn]] void fail(std::string_view part, std::string_view what) const;  // "LABEL: tensor 'NAME': WHAT"
  const std::string& label() const { return label_; }
  std::string place(std::string_view part) const;  // "LABEL: tensor 'NAME'"
  const std::vector<StoredPart>& taken() const { return taken_; }

 private:
  const std::map<std::string, StoredTensor>* tensors_;
  std::string prefix_;
  std::string label_;
  std::vector<StoredPart> taken_;
};

inline constexpr std::initializer_list<StoredType> scale_types = {StoredType::f16, StoredType::bf16, StoredType::f32};

}  // namespace sleb
