#include "sleb/text/normalizer/normalizer.h"

#include <fmt/core.h>

#include <utility>

#include "sleb/base/error.h"
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
  const std::string& type = component.at("type").string();
  if (type == "Sequence") {
    const JsonView members = component.at("normalizers");
    for (size_t i = 0; i < members.size(); ++i) append(members.at(i));
    return;
  }
  for (const Row& row : rows) {
    if (row.type == type) {
      steps_.push_back(row.make(component));
      return;
    }
  }
  component.fail(fmt::format("the normalizer {:?} is not supported", type));
}

void Normalizers::apply(Section& section) const {
  const size_t longest = longest_rewriting(section.text.size());
  for (const auto& step : steps_) {
    step->apply(section, longest);
    if (section.text.size() > longest) bad_input("{}: makes a text more than {} times longer", place_, most_growth);
  }
}

}  // namespace sleb
