// Cutting pieces at the matches of a pattern: what most pre-tokenizers do.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sleb/base/json.h"
#include "sleb/text/pre_tokenizer/pre_tokenizer.h"
#include "sleb/unicode/finder.h"

namespace sleb {

// What becomes of a match, the delimiter. For the-final--countdown cut at "-":
enum class SplitBehavior {
  removed,               // the final countdown
  isolated,              // the - final - - countdown
  merged_with_previous,  // the- final- - countdown
  merged_with_next,      // the -final - -countdown
  contiguous,            // the - final -- countdown
};

// "Removed", "Isolated", ... Throws Error(bad_input) for any other name.
SplitBehavior split_behavior(const JsonView& name);

class Split : public PreTokenizer {
 public:
  // With `invert`, what lies between the matches is the delimiter.
  Split(Finder find, SplitBehavior behavior, bool invert)
      : find_(std::move(find)), behavior_(behavior), invert_(invert) {}
  void apply(Pieces& pieces) const override;

 private:
  struct Part {
    Span span;
    bool delimiter;
  };
  void cut(std::vector<Part>& parts, std::vector<Span>& spans) const;

  const Finder find_;
  const SplitBehavior behavior_;
  const bool invert_;
};

}  // namespace sleb
