// What another model with the same head can be compared with on a text: the dense model's last hidden states.
#pragma once

#include <filesystem>
#include <memory>

#include "sleb/corpus/corpus.h"
#include "sleb/engine/model.h"

namespace sleb {

class HiddenStates;

// In a file without a name; PlanEvaluator fills it (EvaluateOptions::keep_dense) and reads it (::dense).
class DenseStates {
 public:
  // Throws Error(failed) if the disk has no room for them: tokens x hidden size values of the compute type.
  DenseStates(const Model& model, const Corpus& corpus, const std::filesystem::path& scratch);
  ~DenseStates();
  DenseStates(DenseStates&&) noexcept;

  const HiddenStates& states() const { return *states_; }

 private:
  std::unique_ptr<HiddenStates> states_;
};

}  // namespace sleb
