#include "apps/sleb/options/config_file.h"

#include <fmt/core.h>
#include <fmt/ranges.h>
#include <toml++/toml.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string_view>

#include "sleb/base/error.h"
#include "sleb/base/file.h"

namespace sleb::app {
namespace {

using Words = std::vector<std::string>;

constexpr uint64_t largest_file = 1 << 20;

bool is_option(std::string_view word, std::string_view name) {
  return word.starts_with(name) && (word.size() == name.size() || word[name.size()] == '=');
}

// Takes --config out of the arguments; its file.
std::optional<std::string> taken_out(Words& arguments) {
  const auto is_config = [](const std::string& word) { return is_option(word, "--config"); };
  const auto first = std::ranges::find_if(arguments, is_config);
  if (first == arguments.end()) return {};
  if (std::find_if(first + 1, arguments.end(), is_config) != arguments.end()) bad_input("--config: stands twice");
  const size_t equals = first->find('=');
  if (equals != std::string::npos) {
    const std::string file = first->substr(equals + 1);
    arguments.erase(first);
    return file;
  }
  if (first + 1 == arguments.end()) bad_input("--config: its file is missing");
  const std::string file = *(first + 1);
  arguments.erase(first, first + 2);
  return file;
}

class ConfigFile {
 public:
  explicit ConfigFile(const std::string& file) : file_(file), table_(parsed(file)) {}

  // The options for a command, one word each; those of its own table in place of the same ones before it.
  Words options(const std::string& command, const Words& commands) const {
    std::map<std::string, const toml::node*> chosen;
    for (const auto& [key, value] : table_) {
      if (!value.is_table()) {
        chosen[option_name(key.str())] = &value;
      } else if (std::ranges::find(commands, key.str()) == commands.end()) {
        bad_input("{}: line {}: a table [{}], but sleb has no such command", file_, line_of(value), key.str());
      }
    }
    if (const toml::table* own = table_[command].as_table()) {
      for (const auto& [key, value] : *own) chosen[option_name(key.str())] = &value;
    }
    Words words;
    for (const auto& [name, value] : chosen) add(name, *value, words);
    return words;
  }

 private:
  static toml::table parsed(const std::string& file) {
    const std::string text = read_file(file, largest_file);
    try {
      return toml::parse(text, file);
    } catch (const toml::parse_error& error) {
      bad_input("{}: line {}: no TOML: {}", file, error.source().begin.line, error.description());
    }
  }

  static uint32_t line_of(const toml::node& value) { return value.source().begin.line; }

  static std::string option_name(std::string_view key) {
    std::string name(key);
    std::ranges::replace(name, '_', '-');
    return name;
  }

  void add(const std::string& key, const toml::node& value, Words& words) const {
    if (key == "config") bad_input("{}: line {}: a file of options can't name another", file_, line_of(value));
    if (key == "model" && !value.is_string()) refuse(key, value);
    const std::string option = key == "model" ? "" : "--" + key;
    if (const auto* flag = value.as_boolean()) {
      if (flag->get()) words.push_back(option);
      return;
    }
    const auto say = [&](const std::string& text) { words.push_back(option.empty() ? text : option + "=" + text); };
    const toml::array* array = value.as_array();
    if (array == nullptr) return say(text_of(key, value));
    if (is_of_numbers(*array)) return say(joined(key, *array));
    for (const toml::node& each : *array) {
      say(each.is_array() ? joined(key, *each.as_array()) : text_of(key, each));
    }
  }

  static bool is_of_numbers(const toml::array& array) {
    return !array.empty() && std::ranges::all_of(array, [](const toml::node& each) { return each.is_number(); });
  }

  std::string joined(const std::string& key, const toml::array& array) const {
    Words texts;
    for (const toml::node& each : array) texts.push_back(text_of(key, each));
    return fmt::format("{}", fmt::join(texts, ","));
  }

  std::string text_of(const std::string& key, const toml::node& value) const {
    if (const auto* text = value.as_string()) return text->get();
    if (const auto* number = value.as_integer()) return fmt::format("{}", number->get());
    if (const auto* number = value.as_floating_point()) return fmt::format("{}", number->get());
    refuse(key, value);
  }

  [[noreturn]] void refuse(const std::string& key, const toml::node& value) const {
    bad_input("{}: line {}: {}: expected {}", file_, line_of(value), key,
              key == "model" ? "a text" : "true, false, a number, a text, or an array of numbers or texts");
  }

  std::string file_;
  toml::table table_;
};

// MODEL stands first, where it stands on the command line.
bool names_model(const Words& arguments) {
  return arguments.size() > 1 && !arguments[1].starts_with("-");
}

std::string name_of(const std::string& option) {
  return option.substr(0, option.find('='));
}

}  // namespace

Configured with_config_file(const std::vector<std::string>& arguments, const std::vector<std::string>& commands) {
  Words typed = arguments;
  const auto file = taken_out(typed);
  if (!file) return {arguments, {}};
  if (typed.empty()) bad_input("--config {}: no command in front; see sleb --help", *file);

  Words model, options;
  for (const std::string& word : ConfigFile(*file).options(typed[0], commands)) {
    const bool is_model = !word.starts_with("--");
    const auto says_it = [&](const std::string& other) { return is_option(other, name_of(word)); };
    if (is_model ? names_model(typed) : std::ranges::any_of(typed, says_it)) continue;
    (is_model ? model : options).push_back(word);
  }
  Words all = {typed[0]};
  all.insert(all.end(), model.begin(), model.end());
  all.insert(all.end(), typed.begin() + 1, typed.end());
  all.insert(all.end(), options.begin(), options.end());
  return {all, *file};
}

}  // namespace sleb::app
