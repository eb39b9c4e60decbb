#include "sleb/hub/needed_files.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <iterator>
#include <map>
#include <set>

#include "sleb/base/error.h"
#include "sleb/base/file.h"
#include "sleb/base/json.h"
#include "sleb/base/name_list.h"
#include "sleb/checkpoint/companions.h"

namespace sleb {
namespace fs = std::filesystem;
namespace {

constexpr const char* whole_weights = "model.safetensors";
constexpr const char* index_name = "model.safetensors.index.json";
constexpr uint64_t largest_index = 100'000'000;
constexpr size_t most_shown = 12;

// Any of them makes a tokenizer (sleb/text/sources).
constexpr std::string_view tokenizer_files[] = {"tokenizer.json", "tokenizer.model", "vocab.json", "spiece.model",
                                                "vocab.txt"};
// Formats that hold Python objects, or weights that no C++ program reads.
constexpr std::string_view pickled_endings[] = {".bin", ".pt", ".pth", ".ckpt", ".pkl", ".h5", ".msgpack"};

std::string upper(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](unsigned char c) { return std::toupper(c); });
  return out;
}

bool is_model_gguf(std::string_view path) {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  return path.ends_with(".gguf") && !name.starts_with("mmproj") && name.find("imatrix") == name.npos;
}

// "NAME-00001-of-00003.gguf": NAME, and how many parts there are.
struct Split {
  std::string name;
  size_t parts;
};

std::optional<Split> split_of(const std::string& file) {
  constexpr size_t ending = std::string_view("-00001-of-00003.gguf").size();
  if (file.size() <= ending || !file.ends_with(".gguf")) return {};
  const std::string numbers = file.substr(file.size() - ending, ending - 5);
  for (size_t i = 0; i < numbers.size(); ++i) {
    const char expected = "-00000-of-00000"[i];
    const bool digit = std::isdigit(static_cast<unsigned char>(numbers[i])) != 0;
    if (expected == '0' ? !digit : numbers[i] != expected) return {};
  }
  return Split{file.substr(0, file.size() - ending), std::stoul(numbers.substr(numbers.size() - 5))};
}

// All parts of the model that a file belongs to.
std::vector<std::string> all_splits(const std::string& file) {
  const auto split = split_of(file);
  if (!split) return {file};
  std::vector<std::string> parts;
  for (size_t i = 1; i <= split->parts; ++i) {
    parts.push_back(fmt::format("{}-{:05}-of-{:05}.gguf", split->name, i, split->parts));
  }
  return parts;
}

// Whether `tag` stands in `name` with no letter or digit before it, and no character of a tag after it.
bool names_quantisation(const std::string& name, const std::string& tag) {
  const auto is_word = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
  for (size_t at = name.find(tag); at != name.npos; at = name.find(tag, at + 1)) {
    const size_t end = at + tag.size();
    const bool begins = at == 0 || !is_word(name[at - 1]);
    if (begins && (end == name.size() || (!is_word(name[end]) && name[end] != '_'))) return true;
  }
  return false;
}

// By name the first file of each model.
std::map<std::string, std::string> gguf_models(const std::vector<std::string>& names) {
  std::map<std::string, std::string> models;
  for (const std::string& file : names) {
    if (!is_model_gguf(file)) continue;
    const auto split = split_of(file);
    const std::string name = split ? split->name : file.substr(0, file.size() - 5);
    const auto [model, is_new] = models.emplace(name, file);
    if (!is_new) model->second = std::min(model->second, file);
  }
  return models;
}

bool has(const std::vector<std::string>& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

// The files that an index names. Nothing for a malformed one: its reader says what is wrong.
std::set<std::string> shards_of(const fs::path& index) {
  std::set<std::string> shards;
  try {
    const Json json = parse_json(read_file(index, largest_index), index.string());
    for (const Json& shard : json.at("weight_map")) {
      if (is_inner_path(shard.get_ref<const std::string&>())) shards.insert(shard.get<std::string>());
    }
  } catch (const std::exception&) {
    shards.clear();
  }
  return shards;
}

// Why there are no safetensors, and what to do about it.
std::string why_no_weights(const ModelName& name, const std::vector<std::string>& names) {
  std::vector<std::string> ggufs;
  for (const auto& [model, file] : gguf_models(names))
    ggufs.push_back(fmt::format("{}/{}", name.repository.name, file));
  if (!ggufs.empty()) return fmt::format("holds several GGUF models; give one of them: {}", list_of(ggufs, most_shown));
  for (const std::string_view ending : pickled_endings) {
    for (const std::string& file : names) {
      if (!file.ends_with(ending) || file.find('/') != file.npos || file.starts_with("training_args")) continue;
      return fmt::format(
          "holds its weights as {} and not as safetensors; such files can run code when read, so sleb does not; "
          "https://huggingface.co/spaces/safetensors/convert converts them in a pull request, which {}@refs/pr/NUMBER "
          "names",
          file, name.repository.name);
    }
  }
  return "holds neither model.safetensors nor a GGUF; give the name of a language model's repository";
}

NeededFiles needed_gguf(const ModelName& name, const std::vector<std::string>& names, bool listed) {
  NeededFiles needed;
  needed.files = name.file.empty() ? choose_gguf(names, name.quantisation) : all_splits(name.file);
  const bool absent = needed.files.empty() || (listed && !has(names, needed.files.front()));
  if (!absent) {
    needed.gguf = needed.files.front();
    return needed;
  }
  std::vector<std::string> there;
  for (const auto& [model, file] : gguf_models(names)) there.push_back(file);
  needed.problem = there.empty() ? "holds no GGUF file"
                                 : fmt::format("holds no {}; there are: {}",
                                               name.file.empty() ? "GGUF of " + name.quantisation : name.file,
                                               list_of(there, most_shown));
  return needed;
}

bool is_code(const std::string& name) {
  return name.ends_with(".py") && name.find('/') == name.npos;
}

void add_companions(const std::vector<std::string>& names, bool listed, std::vector<std::string>& files) {
  for (const std::string_view companion : companion_names()) {
    if (has(names, companion)) files.emplace_back(companion);
  }
  for (const std::string& file : names) {
    if (file.starts_with("additional_chat_templates/") && file.ends_with(".jinja")) files.push_back(file);
  }
  // Without a listing nobody knows which there are; but without any of these there is no tokenizer.
  const bool any = std::ranges::any_of(tokenizer_files, [&](std::string_view file) { return has(names, file); });
  if (!listed && !any) files.emplace_back(tokenizer_files[0]);
}

}  // namespace

std::vector<std::string> choose_gguf(const std::vector<std::string>& names, std::string_view quantisation) {
  const auto models = gguf_models(names);
  if (quantisation.empty()) return models.size() == 1 ? all_splits(models.begin()->second) : std::vector<std::string>();
  const std::string tag = upper(quantisation);
  const std::string* best = nullptr;
  const std::string* best_name = nullptr;
  for (const auto& [name, file] : models) {
    if (!names_quantisation(upper(name), tag)) continue;
    if (best_name != nullptr && best_name->size() <= name.size()) continue;
    best_name = &name;
    best = &file;
  }
  return best == nullptr ? std::vector<std::string>() : all_splits(*best);
}

NeededFiles needed_files(const ModelName& name, ModelParts parts, const Snapshot& snapshot) {
  const bool listed = snapshot.listing.has_value();
  const std::vector<std::string> names = names_in(snapshot);
  if (!name.file.empty() || !name.quantisation.empty()) return needed_gguf(name, names, listed);
  NeededFiles needed;
  const bool in_one = has(names, whole_weights);
  const bool indexed = !in_one && has(names, index_name);
  if (!in_one && !indexed && !has(names, "config.json")) {
    const std::vector<std::string> only = choose_gguf(names, "");
    if (!only.empty()) return {only.front(), only, ""};
  }
  if (listed && !in_one && !indexed) {
    const std::vector<std::string> only = choose_gguf(names, "");
    if (!only.empty()) return {only.front(), only, ""};
    needed.problem = why_no_weights(name, names);
    return needed;
  }
  needed.files = {"config.json"};
  add_companions(names, listed, needed.files);
  if (parts == ModelParts::tokenizer) return needed;
  if (brings_code(snapshot.folder)) {
    std::ranges::copy_if(names, std::back_inserter(needed.files), is_code);
  }
  if (!indexed) {
    needed.files.emplace_back(whole_weights);
    return needed;
  }
  needed.files.emplace_back(index_name);
  for (const std::string& shard : shards_of(snapshot.folder / index_name)) needed.files.push_back(shard);
  return needed;
}

std::vector<std::string> small_file_patterns() {
  std::vector<std::string> patterns = {"config.json", index_name, "additional_chat_templates/*.jinja"};
  for (const std::string_view name : companion_names()) patterns.emplace_back(name);
  return patterns;
}

}  // namespace sleb
