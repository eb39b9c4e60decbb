#include "sleb/text/normalizer/unicode_form.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "sleb/base/utf8.h"
#include "sleb/unicode/characters.h"

namespace sleb {
namespace {

class UnicodeForm : public Normalizer {
 public:
  explicit UnicodeForm(NormalForm form) : form_(form) {}

  void apply(Section& section, size_t) const override {
    std::string normalized = normalize(section.text, form_);
    if (section.from_first > 0) {
      // The first character may be composed with those after it, and counts as theirs too.
      const size_t alone = normalize(section.text.substr(0, section.from_first), form_).size();
      section.from_first = std::min(normalized.size(), std::max(alone, character_size(normalized[0])));
    }
    section.text = std::move(normalized);
  }

 private:
  const NormalForm form_;
};

class Lowercase : public CharacterNormalizer {
  std::string rewrite(std::string_view text) const override { return lowercase(text); }
};

}  // namespace

std::unique_ptr<Normalizer> make_unicode_form(const JsonView& component) {
  static const std::unordered_map<std::string, NormalForm> forms = {
      {"NFC", NormalForm::nfc}, {"NFD", NormalForm::nfd}, {"NFKC", NormalForm::nfkc}, {"NFKD", NormalForm::nfkd}};
  return std::make_unique<UnicodeForm>(forms.at(component.at("type").string()));
}

std::unique_ptr<Normalizer> make_lowercase(const JsonView&) {
  return std::make_unique<Lowercase>();
}

}  // namespace sleb
