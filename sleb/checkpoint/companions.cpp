#include "sleb/checkpoint/companions.h"

#include <algorithm>
#include <iterator>
#include <string_view>
#include <system_error>
#include <vector>

#include "sleb/base/containment.h"
#include "sleb/base/error.h"
#include "sleb/base/file.h"
#include "sleb/base/json.h"
#include "sleb/base/utf8.h"
#include "sleb/checkpoint/families.h"
#include "sleb/text/sentencepiece/sentencepiece_file.h"

namespace sleb {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view companion_files[] = {"tokenizer.json",
                                                "tokenizer_config.json",
                                                "special_tokens_map.json",
                                                "added_tokens.json",
                                                "vocab.json",
                                                "merges.txt",
                                                "vocab.txt",
                                                "tokenizer.model",
                                                "spiece.model",
                                                "tiktoken.model",
                                                "tekken.json",
                                                "chat_template.jinja",
                                                "chat_template.json",
                                                "generation_config.json"};
constexpr std::string_view code_extension = ".py";
constexpr std::string_view chat_template_folder = "additional_chat_templates";  // files *.jinja

// Whatever stands under a name counts, a link that leads nowhere and a pipe too: opening it tells.
std::vector<fs::path> companions_of(const fs::path& folder, bool with_code) {
  std::vector<fs::path> names;
  std::error_code ignored;
  for (const std::string_view name : companion_files) {
    if (fs::exists(fs::symlink_status(folder / name, ignored))) names.emplace_back(name);
  }
  for (const auto& entry : fs::directory_iterator(folder / chat_template_folder, ignored)) {
    if (entry.path().extension() == ".jinja") names.push_back(chat_template_folder / entry.path().filename());
  }
  if (with_code) std::ranges::copy(code_files(folder), std::back_inserter(names));
  return names;
}

bool all_are_ids(const Json& vocabulary) {
  return !vocabulary.empty() && std::ranges::all_of(vocabulary, [](const Json& id) { return id.is_number_unsigned(); });
}

// Members that name special tokens, and no others: {"access_token": ...} is somebody's key.
bool names_special_tokens(const Json& file) {
  static constexpr std::string_view roles[] = {"bos_token", "eos_token", "unk_token",  "sep_token",
                                               "pad_token", "cls_token", "mask_token", "additional_special_tokens"};
  return !file.empty() && std::ranges::all_of(file.items(), [](const auto& member) {
    return std::ranges::find(roles, member.key()) != std::end(roles);
  });
}

bool has_generation_settings(const Json& file) {
  static constexpr std::string_view ids[] = {"bos_token_id", "eos_token_id", "pad_token_id"};
  return file.contains("transformers_version") ||
         std::ranges::any_of(ids, [&](std::string_view id) { return file.contains(id); });
}

// Whether a JSON object has what every file of that name has, and a private file would not.
bool is_what_its_name_says(std::string_view name, const Json& file) {
  if (name == "tokenizer.json") return file.contains("model") && file.at("model").contains("vocab");
  if (name == "vocab.json" || name == "added_tokens.json") return all_are_ids(file);
  if (name == "chat_template.json") return file.size() == 1 && file.contains("chat_template");
  if (name == "tekken.json") return file.contains("vocab") && file.contains("config");
  if (name == "generation_config.json") return has_generation_settings(file);
  if (name == "tokenizer_config.json" && file.contains("tokenizer_class")) return true;
  if (name == "tokenizer_config.json" && file.contains("added_tokens_decoder")) return true;
  return names_special_tokens(file);
}

bool is_chat_template(std::string_view text) {
  return (text.find("{{") != text.npos || text.find("{%") != text.npos) && text.find("messages") != text.npos;
}

// Throws where the content is not what the name says. Returns whether nothing but such a file could hold it.
bool check_content(const fs::path& name, std::string_view content, const std::string& label) {
  const std::string extension = name.extension().string();
  if (extension == ".json") {
    const Json file = parse_json(content, label);
    if (!file.is_object()) bad_input("{}: expected an object", label);
    return is_what_its_name_says(name.string(), file);
  }
  if (extension == ".jinja" || extension == code_extension) {
    if (!is_valid_utf8(content)) bad_input("{}: not UTF-8 text", label);
    return extension == ".jinja" && is_chat_template(content);
  }
  if (name == "tokenizer.model" || name == "spiece.model") {
    // Some models keep a vocabulary of tiktoken's, which is text, under this name.
    if (is_valid_utf8(content)) return false;
    read_sentencepiece(content, label);
    return true;
  }
  return false;
}

constexpr const char* tokenizer_settings = "tokenizer_config.json";
constexpr const char* own_code = "auto_map";

std::string without_own_code(std::string content, const std::string& label) {
  if (content.find(own_code) == content.npos) return content;
  OrderedJson file = parse_ordered_json(content, label);
  return file.erase(own_code) > 0 ? file.dump(2) + "\n" : content;
}

}  // namespace

std::span<const std::string_view> companion_names() {
  return companion_files;
}

bool tokenizer_names_own_code(const fs::path& folder) {
  const fs::path file = folder / tokenizer_settings;
  std::error_code ignored;
  if (!fs::exists(file, ignored)) return false;
  const Json settings = parse_json(read_file(file), file.string());
  const auto map = JsonView(settings, file.string()).find(own_code);
  return map && !map->raw().empty();
}

bool brings_code(const fs::path& folder) {
  const fs::path file = folder / "config.json";
  std::error_code ignored;
  if (!fs::exists(file, ignored)) return false;
  try {
    const Json config = parse_json(read_file(file), file.string());
    const Family* family = find_family(JsonView(config, file.string()).string_or("model_type", ""));
    return family != nullptr && family->own_code;
  } catch (const Error&) {
    return false;  // whoever reads the model says what is wrong
  }
}

std::vector<std::string> code_files(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    if (entry.path().extension() == code_extension) names.push_back(entry.path().filename().string());
  }
  std::ranges::sort(names);
  return names;
}

void copy_companions(const fs::path& folder, const fs::path& target) {
  const bool with_code = brings_code(folder);
  for (const fs::path& name : companions_of(folder, with_code)) {
    const fs::path source = folder / name;
    std::string content = read_file(source);
    const bool certain = check_content(name, content, source.string());
    std::error_code ignored;
    if (!certain && !is_inside(source, folder, ignored)) {
      bad_input(
          "{}: is a link that leaves the folder, and not certainly what its name says; replace it by a copy, or "
          "remove it",
          source.string());
    }
    if (name == tokenizer_settings && !with_code) content = without_own_code(std::move(content), source.string());
    fs::create_directories((target / name).parent_path());
    write_file_atomically(target / name, content);
  }
}

}  // namespace sleb
