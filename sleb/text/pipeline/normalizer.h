// The "normalizer" of a tokenizer.json: rewrites text before anything else looks at it.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sleb/base/json.h"

namespace sleb {

class Normalizer {
 public:
  virtual ~Normalizer() = default;
  virtual std::string apply(std::string_view text) const = 0;
};

// Applied in order; empty where the file has null.
class Normalizers {
 public:
  Normalizers() = default;
  // Throws Error(bad_input) for a component that is not known, by its name.
  explicit Normalizers(const JsonView& component) { append(component); }

  bool empty() const { return steps_.empty(); }
  std::string apply(std::string_view text) const;

 private:
  void append(const JsonView& component);

  std::vector<std::unique_ptr<Normalizer>> steps_;
};

}  // namespace sleb
