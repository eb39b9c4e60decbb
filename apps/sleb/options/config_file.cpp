#include "apps/sleb/options/config_file.h"

#include <fmt/core.h>
#include <fmt/ranges.h>
#include <toml++/toml.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
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
    std::string file = first->substr(equals + 1);
    arguments.erase(first);
    return file;
  }
  if (first + 1 == arguments.end()) bad_input("--config: its file is missing");
  std::string file = *(first + 1);
  arguments.erase(first, first + 2);
  return file;
}

// What an option of the file says: words of a command line.
struct FileOption {
  std::string name;           // "--num-remove-blocks", "" for the model
  const CLI::Option* option;  // nullptr: the command does not know it, or not under this name
  uint32_t line;
  Words words;
};

class ConfigFile {
 public:
  explicit ConfigFile(const std::string& file) : file_(file), table_(parsed(file)) {}

  // The options for a command; those of its own table in place of the same ones before it, and of what they exclude.
  std::vector<FileOption> options(const CLI::App& app, const CLI::App* command, const std::string& name) const {
    for (const auto& [key, value] : table_) {
      if (value.is_table() && find_command(app, std::string(key.str())) == nullptr) {
        bad_input("{}: line {}: a table [{}], but sleb has no such command", file_, line_of(value), key.str());
      }
    }
    const toml::table* own = table_[name].as_table();
    std::vector<FileOption> options = own != nullptr ? options_in(*own, command) : std::vector<FileOption>();
    const size_t nearer = options.size();
    for (FileOption& each : options_in(table_, command)) {
      const auto replaces_it = [&](const FileOption& other) { return replaces(other.name, other.option, each); };
      if (std::none_of(options.begin(), options.begin() + static_cast<ptrdiff_t>(nearer), replaces_it)) {
        options.push_back(std::move(each));
      }
    }
    return options;
  }

  // Whether an option that goes first is the same, or one that excludes it.
  static bool replaces(const std::string& name, const CLI::Option* option, const FileOption& other) {
    return name == other.name || (option != nullptr && option == other.option) || excludes(option, other.option);
  }
  static bool excludes(const CLI::Option* one, const CLI::Option* other) {
    if (one == nullptr || other == nullptr) return false;
    const auto excluded = one->get_excludes();
    return std::ranges::any_of(excluded, [&](const CLI::Option* each) { return each == other; });
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

  std::vector<FileOption> options_in(const toml::table& table, const CLI::App* command) const {
    std::map<std::string, const toml::node*> chosen;
    for (const auto& [key, value] : table) {
      if (value.is_table() && &table == &table_) continue;
      const auto [before, is_new] = chosen.emplace(option_name(key.str()), &value);
      if (!is_new) {
        const auto [first, again] = std::minmax({line_of(*before->second), line_of(value)});
        bad_input("{}: line {}: {} stands twice; it is in line {} already", file_, again, before->first, first);
      }
    }
    std::vector<FileOption> options;
    for (const auto& [name, value] : chosen) {
      const bool is_model = name == "model";
      const CLI::Option* option = is_model || command == nullptr ? nullptr : command->get_option_no_throw("--" + name);
      options.push_back({is_model ? "" : "--" + name, option, line_of(*value), {}});
      add(name, *value, options.back().words);
    }
    return options;
  }

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

// MODEL stands first, where it stands on the command line; the published code has an option for it.
bool names_model(const Words& arguments) {
  const auto is_it = [](const std::string& word) { return is_option(word, "--model-name"); };
  return (arguments.size() > 1 && !arguments[1].starts_with('-')) || std::ranges::any_of(arguments, is_it);
}

// The option that a typed word names, by any of its names ("-ocsv"), and the name that stands there.
std::pair<const CLI::Option*, std::string> option_of(const std::string& word, const CLI::App* command) {
  const std::string name = word.substr(0, word.find('='));
  if (command == nullptr || !word.starts_with('-') || word == "-") return {nullptr, name};
  const bool is_short = !word.starts_with("--");
  return {command->get_option_no_throw(is_short ? word.substr(0, 2) : name), name};
}

}  // namespace

const CLI::App* find_command(const CLI::App& app, const std::string& name) {
  const auto found = app.get_subcommands([&](const CLI::App* command) { return command->get_name() == name; });
  return found.empty() ? nullptr : found.front();
}

Configured without_config_file(const std::vector<std::string>& arguments) {
  Words typed = arguments;
  const auto file = taken_out(typed);
  if (file && typed.empty()) bad_input("--config {}: no command in front; see sleb --help", *file);
  return {typed, file.value_or(""), {}};
}

Configured with_config_file(const std::vector<std::string>& arguments, const CLI::App& app) {
  Configured configured = without_config_file(arguments);
  if (configured.file.empty()) return configured;
  const Words& typed = configured.arguments;
  const CLI::App* command = find_command(app, typed[0]);
  const std::string file = configured.file.string();
  Words model, options, notes;
  std::vector<FileOption> taken;
  std::set<const CLI::Option*> left_out;
  const auto leave_out = [&](const FileOption& each, const std::string& why) {
    if (each.words.empty()) return;
    left_out.insert(each.option);
    notes.push_back(fmt::format("{}: line {}: {} is left out, as {}", file, each.line, each.name, why));
  };
  for (FileOption& each : ConfigFile(file).options(app, command, typed[0])) {
    const auto goes_first = std::find_if(typed.begin() + 1, typed.end(), [&](const std::string& word) {
      const auto [option, name] = option_of(word, command);
      return ConfigFile::replaces(name, option, each);
    });
    if (each.name.empty()) {
      if (!names_model(typed)) model = each.words;
    } else if (goes_first == typed.end()) {
      taken.push_back(std::move(each));
    } else if (const auto [option, name] = option_of(*goes_first, command); ConfigFile::excludes(option, each.option)) {
      leave_out(each, name + " is given");
    }
  }
  for (const FileOption& each : taken) {
    const auto needs = each.option == nullptr ? std::set<CLI::Option*>() : each.option->get_needs();
    const auto is_left_out = [&](const CLI::Option* needed) { return left_out.contains(needed); };
    const auto needed = std::ranges::find_if(needs, is_left_out);
    if (needed == needs.end()) {
      options.insert(options.end(), each.words.begin(), each.words.end());
    } else {
      leave_out(each, (*needed)->get_name() + " is");
    }
  }
  Words all = {typed[0]};
  all.insert(all.end(), model.begin(), model.end());
  all.insert(all.end(), typed.begin() + 1, typed.end());
  all.insert(all.end(), options.begin(), options.end());
  return {all, file, notes};
}

}  // namespace sleb::app
