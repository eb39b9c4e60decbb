// The "post_processor" of a tokenizer.json: adds the special tokens that a model expects around a text.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "sleb/base/json.h"

namespace sleb {

class PostProcessor {
 public:
  virtual ~PostProcessor() = default;
  virtual std::vector<int64_t> apply(std::vector<int64_t> ids, bool add_special_tokens) const = 0;
};

// Applied in order; empty where the file has null.
class PostProcessors {
 public:
  PostProcessors() = default;
  // Throws Error(bad_input) for a component that is not known, by its name.
  explicit PostProcessors(const JsonView& component) { append(component); }

  std::vector<int64_t> apply(std::vector<int64_t> ids, bool add_special_tokens) const;

 private:
  void append(const JsonView& component);

  std::vector<std::unique_ptr<PostProcessor>> steps_;
};

}  // namespace sleb
