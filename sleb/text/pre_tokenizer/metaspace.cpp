#include "sleb/text/pre_tokenizer/metaspace.h"

#include <fmt/core.h>

#include <optional>
#include <utility>

#include "sleb/base/utf8.h"
#include "sleb/text/pre_tokenizer/rewrite.h"
#include "sleb/text/pre_tokenizer/split.h"

namespace sleb {
namespace {

enum class PrependScheme { always, first, never };

PrependScheme prepend_scheme(const JsonView& component) {
  const std::string scheme = component.string_or("prepend_scheme", "always");
  if (scheme != "always" && scheme != "first" && scheme != "never") {
    component.at("prepend_scheme").fail(fmt::format("the scheme {:?} is not supported", scheme));
  }
  // The spelling of before 2024.
  if (!component.boolean_or("add_prefix_space", true)) {
    if (component.has("prepend_scheme") && scheme != "never") {
      component.fail(fmt::format("add_prefix_space is off, but prepend_scheme is {:?}", scheme));
    }
    return PrependScheme::never;
  }
  return scheme == "always" ? PrependScheme::always : scheme == "first" ? PrependScheme::first : PrependScheme::never;
}

class Metaspace : public PreTokenizer {
 public:
  Metaspace(std::string replacement, PrependScheme scheme, bool split) : replacement_(replacement), scheme_(scheme) {
    if (split) split_.emplace(literal_finder(std::move(replacement)), SplitBehavior::merged_with_next, false);
  }

  void apply(Pieces& pieces) const override {
    const std::string_view replacement = replacement_;
    const auto prefix_of = [&](std::string_view piece, bool from_first) {
      const bool wanted = scheme_ == PrependScheme::always || (scheme_ == PrependScheme::first && from_first);
      return wanted && !piece.starts_with(' ') && !piece.starts_with(replacement) ? replacement : std::string_view();
    };
    const auto append = [this](std::string& out, std::string_view text) {
      size_t done = 0;
      for (size_t blank = text.find(' '); blank != text.npos; blank = text.find(' ', done)) {
        out += text.substr(done, blank - done);
        out += replacement_;
        done = blank + 1;
      }
      out += text.substr(done);
    };
    rewrite_pieces(pieces, pieces.text.size() + pieces.text.size() / 2, prefix_of, append);
    if (split_) split_->apply(pieces);
  }

 private:
  const std::string replacement_;
  const PrependScheme scheme_;
  std::optional<Split> split_;
};

}  // namespace

std::unique_ptr<PreTokenizer> make_metaspace(const JsonView& component) {
  return std::make_unique<Metaspace>(one_character(component.at("replacement")), prepend_scheme(component),
                                     component.boolean_or("split", true));
}

}  // namespace sleb
