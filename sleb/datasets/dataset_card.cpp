#include "sleb/datasets/dataset_card.h"

#include <algorithm>
#include <array>

#include "sleb/base/error.h"
#include "sleb/base/json.h"
#include "sleb/datasets/yaml.h"

namespace sleb {
namespace {

// Members of a configuration that leave rows as they are (datasets 5.2: BuilderConfig and those of the loaders in
// packaged_modules). Any other may be an option by which a loader reads files in another way or leaves rows out.
constexpr std::array harmless_members = {"config_name",   "data_files", "data_dir",   "default",     "description",
                                         "version",       "features",   "batch_size", "chunksize",   "block_size",
                                         "drop_metadata", "verbose",    "memory_map", "use_threads", "drop_labels"};
constexpr size_t most_configs = 10'000;   // FineWeb 2, which has many, has 4,000
constexpr size_t most_patterns = 10'000;  // of a configuration

// Bytes of the line break at `place`; 0 where there is none.
size_t line_break(std::string_view text, size_t place) {
  if (text.substr(place).starts_with("\r\n")) return 2;
  return place < text.size() && (text[place] == '\n' || text[place] == '\r') ? 1 : 0;
}

// What stands between the lines "---" at the beginning (huggingface_hub, repocard.py, REGEX_YAML_BLOCK).
std::string_view front_matter(std::string_view readme) {
  const size_t dashes = readme.find_first_not_of(" \t\r\n\v\f");
  if (dashes == readme.npos || !readme.substr(dashes).starts_with("---")) return {};
  const size_t begin = dashes + 3 + line_break(readme, dashes + 3);
  if (begin == dashes + 3) return {};
  for (size_t end = readme.find("---", begin); end != readme.npos; end = readme.find("---", end + 1)) {
    const bool on_a_line = end > begin && (readme[end - 1] == '\n' || readme[end - 1] == '\r');
    size_t behind = end + 3;
    while (behind < readme.size() && (readme[behind] == ' ' || readme[behind] == '\t')) ++behind;
    const bool ends = behind == readme.size() || readme[behind] == '\n' || readme.substr(behind).starts_with("\r\n");
    if (on_a_line && ends) return readme.substr(begin, end - begin);
  }
  return {};
}

// What Python takes for true.
bool is_true(const Json& value) {
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_string()) return !value.get_ref<const std::string&>().empty() && value != "0";
  return !value.is_null() && !value.empty();
}

std::vector<std::string> texts_of(const JsonView& value) {
  if (value.is_string()) return {value.string()};
  std::vector<std::string> texts;
  for (size_t i = 0; i < value.size(); ++i) texts.push_back(value.at(i).string());
  return texts;
}

std::vector<SplitPatterns> patterns_of(const JsonView& data_files) {
  if (data_files.is_string()) return {{"train", {data_files.string()}}};
  std::vector<SplitPatterns> splits;
  SplitPatterns plain{"train", {}};
  for (size_t i = 0; i < data_files.size(); ++i) {
    const JsonView item = data_files.at(i);
    if (item.is_string()) {
      plain.patterns.push_back(item.string());
      continue;
    }
    std::string split = item.at("split").string();
    if (!is_split_name(split)) item.fail(fmt::format("\"{}\" can't be a split's name", split));
    const bool again = std::ranges::any_of(splits, [&](const SplitPatterns& other) { return other.split == split; });
    if (again) item.fail(fmt::format("the split {} stands twice", split));
    splits.push_back({std::move(split), texts_of(item.at("path"))});
  }
  if (!splits.empty() && !plain.patterns.empty()) data_files.fail("some of the files have no split");
  return splits.empty() ? std::vector{plain} : splits;
}

// Each is compared with all files' names.
void check_number(const std::vector<SplitPatterns>& splits, const JsonView& data_files) {
  size_t count = 0;
  for (const SplitPatterns& split : splits) count += split.patterns.size();
  if (count > most_patterns) data_files.fail(fmt::format("more than {} patterns of files", most_patterns));
}

DatasetConfig config_of(const JsonView& given) {
  DatasetConfig config;
  // A plain "no" is Norwegian to whoever wrote it, and false to YAML.
  const JsonView name = given.at("config_name");
  config.name = name.raw().is_boolean() ? name.raw().dump() : name.string();
  config.data_dir = given.string_or("data_dir", "");
  if (const auto files = given.find("data_files")) {
    config.patterns = patterns_of(*files);
    check_number(*config.patterns, *files);
  }
  if (const auto is_default = given.find("default")) config.is_default = is_true(is_default->raw());
  for (const auto& [option, value] : given.raw().items()) {
    if (std::ranges::find(harmless_members, option) == harmless_members.end()) config.options.push_back(option);
  }
  return config;
}

}  // namespace

bool is_split_name(std::string_view text) {
  bool begun = false;  // the part between dots
  for (const char c : text) {
    const bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                      static_cast<unsigned char>(c) >= 0x80;
    if (!word && (c != '.' || !begun)) return false;
    begun = word;
  }
  return begun;
}

std::vector<DatasetConfig> configs_of(std::string_view readme, std::string_view yaml, const std::string& label) {
  const std::string place = label + "README.md";
  Json card = parse_yaml(front_matter(readme), place);
  if (!card.is_null() && !card.is_object()) bad_input("{}: its front matter is no mapping", place);
  if (const Json own = parse_yaml(yaml, label + ".huggingface.yaml"); own.is_object()) {
    if (card.is_null()) card = Json::object();
    card.update(own);
  }
  if (card.is_null()) return {};
  std::vector<DatasetConfig> configs;
  const JsonView view(card, place);
  const auto given = view.find("configs");
  if (given && given->size() > most_configs) given->fail(fmt::format("more than {} configurations", most_configs));
  for (size_t i = 0; given && i < given->size(); ++i) {
    DatasetConfig config = config_of(given->at(i));
    std::erase_if(configs, [&](const DatasetConfig& other) { return other.name == config.name; });
    configs.push_back(std::move(config));
  }
  return configs;
}

}  // namespace sleb
