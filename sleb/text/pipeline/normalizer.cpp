#include "sleb/text/pipeline/normalizer.h"

#include <fmt/core.h>

#include <unordered_map>

#include "sleb/text/unicode/characters.h"

namespace sleb {
namespace {

class UnicodeNormalizer : public Normalizer {
 public:
  explicit UnicodeNormalizer(NormalForm form) : form_(form) {}
  std::string apply(std::string_view text) const override { return normalize(text, form_); }

 private:
  const NormalForm form_;
};

class Lowercase : public Normalizer {
 public:
  std::string apply(std::string_view text) const override { return lowercase(text); }
};

std::unique_ptr<Normalizer> make_normalizer(const JsonView& component) {
  static const std::unordered_map<std::string, NormalForm> forms = {
      {"NFC", NormalForm::nfc}, {"NFD", NormalForm::nfd}, {"NFKC", NormalForm::nfkc}, {"NFKD", NormalForm::nfkd}};
  const std::string& type = component.at("type").string();
  if (const auto form = forms.find(type); form != forms.end()) return std::make_unique<UnicodeNormalizer>(form->second);
  if (type == "Lowercase") return std::make_unique<Lowercase>();
  component.fail(fmt::format("the normalizer {:?} is not supported", type));
}

}  // namespace

void Normalizers::append(const JsonView& component) {
  if (component.at("type").string() != "Sequence") {
    steps_.push_back(make_normalizer(component));
    return;
  }
  const JsonView members = component.at("normalizers");
  for (size_t i = 0; i < members.size(); ++i) append(members.at(i));
}

std::string Normalizers::apply(std::string_view text) const {
  std::string normalized(text);
  for (const auto& step : steps_) normalized = step->apply(normalized);
  return normalized;
}

}  // namespace sleb
