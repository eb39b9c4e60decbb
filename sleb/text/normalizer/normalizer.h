// The "normalizer" of a tokenizer.json: rewrites text before anything else looks at it.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sleb/base/json.h"

namespace sleb {

// A text, or a section of one between added tokens, on its way to the model.
struct Section {
  std::string text;
  // Bytes at the front of `text` that stem from the first character of the whole input; 0 if none does. Metaspace's
  // prepend_scheme "first" asks for this.
  size_t from_first = 0;
};

class Normalizer {
 public:
  virtual ~Normalizer() = default;
  // Throws Error(bad_input) rather than make a text of more than `longest` bytes by much.
  virtual void apply(Section& section, size_t longest) const = 0;
};

// One that rewrites every character by itself, or together with those before it.
class CharacterNormalizer : public Normalizer {
 public:
  void apply(Section& section, size_t longest) const final;

 private:
  virtual std::string rewrite(std::string_view text) const = 0;
};

// Applied in order; empty where the file has null.
class Normalizers {
 public:
  Normalizers() = default;
  // Throws Error(bad_input) for a component that is not known, by its name.
  explicit Normalizers(const JsonView& component);

  bool empty() const { return steps_.empty(); }
  // Throws Error(bad_input) if the text grows beyond all measure: what it is rewritten to comes from an untrusted file.
  void apply(Section& section) const;

 private:
  void append(const JsonView& component);

  std::string place_;
  std::vector<std::unique_ptr<Normalizer>> steps_;
};

}  // namespace sleb
