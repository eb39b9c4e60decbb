// The "pre_tokenizer" of a tokenizer.json: cuts text into the pieces that the model encodes one by one.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sleb/base/json.h"
#include "sleb/unicode/regex.h"

namespace sleb {

// A text and the pieces it is cut into so far: in order, none empty, not overlapping. What no span covers was removed.
struct Pieces {
  explicit Pieces(std::string whole, size_t from_first_character = 0)
      : text(std::move(whole)), from_first(from_first_character) {
    if (!text.empty()) spans.push_back({0, text.size()});
  }
  std::string_view piece(const Span& span) const {
    return std::string_view(text).substr(span.begin, span.end - span.begin);
  }

  std::string text;
  std::vector<Span> spans;
  size_t from_first;  // bytes at the front of `text` that stem from the first character of the whole input
};

class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  // Cuts every piece further, or rewrites it.
  virtual void apply(Pieces& pieces) const = 0;
};

// Applied in order; empty where the file has null.
class PreTokenizers {
 public:
  PreTokenizers() = default;
  // Throws Error(bad_input) for a component that is not known, by its name.
  explicit PreTokenizers(const JsonView& component) : place_(component.place()) { append(component); }

  // Throws Error(bad_input) if the text grows beyond all measure: a file may list a step that doubles it forty times.
  void apply(Pieces& pieces) const;

 private:
  void append(const JsonView& component);

  std::string place_;
  std::vector<std::unique_ptr<PreTokenizer>> steps_;
};

}  // namespace sleb
