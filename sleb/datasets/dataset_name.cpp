#include "sleb/datasets/dataset_name.h"

#include "sleb/base/utf8.h"

namespace sleb {
namespace {

constexpr const char* wikitext = "Salesforce/wikitext";
constexpr const char* c4 = "allenai/c4";

std::vector<std::string> usual_splits(TextPurpose purpose) {
  return purpose == TextPurpose::calibrate ? std::vector<std::string>{"train"}
                                           : std::vector<std::string>{"test", "validation"};
}

DatasetName wikitext2_name(TextPurpose purpose) {
  DatasetName name;
  name.repository.name = wikitext;
  name.config = "wikitext-2-raw-v1";
  name.splits = {purpose == TextPurpose::calibrate ? "train" : "test"};
  name.rules = RowRules::wikitext2;
  return name;
}

DatasetName c4_name(TextPurpose purpose) {
  const bool calibrate = purpose == TextPurpose::calibrate;
  DatasetName name;
  name.repository.name = c4;
  name.config = "en";
  name.splits = {calibrate ? "train" : "validation"};
  name.files = {calibrate ? "en/c4-train.00000-of-01024.json.gz" : "en/c4-validation.00000-of-00008.json.gz"};
  name.rules = RowRules::c4;
  return name;
}

}  // namespace

std::optional<DatasetName> parse_dataset_name(std::string_view text, TextPurpose purpose) {
  if (text == "wikitext2") return wikitext2_name(purpose);
  if (text == "c4") return c4_name(purpose);
  if (!is_valid_utf8(text)) return {};
  DatasetName name;
  auto rest = cut_off(text, ':');
  if (const auto revision = cut_off(text, '@')) {
    if (!is_revision(*revision)) return {};
    name.repository.revision = *revision;
  }
  if (!is_repository_name(text)) return {};
  name.repository.name = text;
  std::string_view split;
  if (rest) {
    std::string_view config = *rest;
    rest = cut_off(config, ':');
    name.config = config;
  }
  if (rest) {
    split = *rest;
    rest = cut_off(split, ':');
  }
  if (rest) name.field = *rest;
  name.splits = split.empty() ? usual_splits(purpose) : std::vector{std::string(split)};
  if (text == wikitext) name.rules = RowRules::wikitext2;
  if (text == c4) name.rules = RowRules::c4;
  return name;
}

}  // namespace sleb
