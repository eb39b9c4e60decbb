#include "sleb/text/normalizer/normalizer.h"

#include <utility>

#include "sleb/base/error.h"
#include "sleb/text/component_steps.h"
#include "sleb/text/growth.h"
#include "sleb/text/normalizer/characters.h"
#include "sleb/text/normalizer/charsmap.h"
#include "sleb/text/normalizer/replace.h"
#include "sleb/text/normalizer/unicode_form.h"

namespace sleb {
namespace {

struct Row {
  std::string_view type;
  std::unique_ptr<Normalizer> (*make)(const JsonView& component);
};

constexpr Row rows[] = {
    {"NFC", make_unicode_form},
    {"NFD", make_unicode_form},
    {"NFKC", make_unicode_form},
    {"NFKD", make_unicode_form},
    {"Lowercase", make_lowercase},
    {"Strip", make_strip},
    {"StripAccents", make_strip_accents},
    {"Nmt", make_nmt},
    {"BertNormalizer", make_bert_normalizer},
    {"ByteLevel", make_byte_level_normalizer},
    {"Prepend", make_prepend},
    {"Replace", make_replace},
    {"Precompiled", make_charsmap},
};

}  // namespace

void CharacterNormalizer::apply(Section& section, size_t) const {
  std::string rewritten = rewrite(section.text);
  if (section.from_first > 0) section.from_first = rewrite(section.text.substr(0, section.from_first)).size();
  section.text = std::move(rewritten);
}

Normalizers::Normalizers(const JsonView& component) : place_(component.place()) {
  append(component);
}

void Normalizers::append(const JsonView& component) {
  append_steps(component, {"normalizer", "normalizers"}, rows, steps_);
}

void Normalizers::apply(Section& section) const {
  const size_t longest = longest_rewriting(section.text.size());
  for (const auto& step : steps_) {
    step->apply(section, longest);
    if (section.text.size() > longest) bad_input("{}: makes a text more than {} times longer", place_, most_growth);
  }
}

}  // namespace sleb
