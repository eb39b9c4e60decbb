#include "apps/sleb/manual/completion.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string_view>

namespace sleb::app {
namespace {

// Placeholders of options whose value is no file: the shell then offers none.
bool may_be_file(const OptionDeclaration& option) {
  constexpr std::string_view files[] = {"FILE",     "DIR",   "FILE.npy", "FILE.html", "FILE.toml",
                                        "FILE.yml", "MODEL", "RESULT",   "PATH"};
  return std::ranges::find(files, option.value) != std::end(files) || option.value.starts_with("TEXT");
}

std::string replaced(std::string text, std::string_view what, std::string_view by) {
  for (size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += by.size()) {
    text.replace(at, what.size(), by);
  }
  return text;
}

// One word to bash and zsh.
std::string quoted(const std::string& text) {
  return "'" + replaced(text, "'", "'\\''") + "'";
}

// One word to fish, which knows escapes between single quotes.
std::string quoted_for_fish(const std::string& text) {
  return "'" + replaced(replaced(text, "\\", "\\\\"), "'", "\\'") + "'";
}

std::vector<std::string> names_of(const std::vector<CommandDeclaration>& commands) {
  std::vector<std::string> names;
  for (const CommandDeclaration& command : commands) names.push_back(command.name);
  return names;
}

std::vector<std::string> option_names(const CommandDeclaration& command) {
  std::vector<std::string> names;
  for (const OptionDeclaration& option : command.options) {
    names.insert(names.end(), option.names.begin(), option.names.end());
  }
  return names;
}

// "prune --search | prune --x" of a case of bash, for the options that `chosen` takes.
template <typename Chosen>
std::string bash_patterns(const CommandDeclaration& command, Chosen chosen) {
  std::vector<std::string> patterns;
  for (const OptionDeclaration& option : command.options) {
    if (!chosen(option)) continue;
    for (const std::string& name : option.names) patterns.push_back(fmt::format("\"{} {}\"", command.name, name));
  }
  return fmt::format("{}", fmt::join(patterns, " | "));
}

std::string bash_values(const CommandDeclaration& command) {
  std::string cases;
  for (const OptionDeclaration& option : command.options) {
    if (option.choices.empty()) continue;
    const auto is_this = [&](const OptionDeclaration& other) { return &other == &option; };
    cases += fmt::format("    {}) offered={} ;;\n", bash_patterns(command, is_this),
                         quoted(fmt::format("{}", fmt::join(option.choices, " "))));
  }
  const auto takes_no_file = [](const OptionDeclaration& option) {
    return !option.value.empty() && option.choices.empty() && !may_be_file(option);
  };
  const std::string nothing = bash_patterns(command, takes_no_file);
  if (!nothing.empty()) cases += fmt::format("    {}) return ;;\n", nothing);
  return cases;
}

// Of the first word behind the command, where that is one of a few.
std::string bash_positional(const CommandDeclaration& command) {
  if (command.positionals.empty() || command.positionals[0].choices.empty()) return "";
  const std::string choices = fmt::format("{}", fmt::join(command.positionals[0].choices, " "));
  return fmt::format("; if [ \"$COMP_CWORD\" -eq 2 ]; then offered={}; fi", quoted(choices));
}

// In brackets or behind a colon of an option of zsh's _arguments.
std::string zsh_escaped(std::string text) {
  for (const std::string_view special : {"\\", "[", "]", ":"}) {
    text = replaced(text, special, "\\" + std::string(special));
  }
  return text;
}

std::string zsh_option(const std::string& name, const OptionDeclaration& option) {
  std::string spec = fmt::format("*{}{}[{}]", name,
                                 option.value.empty()     ? ""
                                 : name.starts_with("--") ? "="
                                                          : "+",
                                 zsh_escaped(option.description));
  if (option.value.empty()) return spec;
  spec += ":" + zsh_escaped(option.value) + ":";
  if (!option.choices.empty()) return spec + fmt::format("({})", fmt::join(option.choices, " "));
  return may_be_file(option) ? spec + "_files" : spec + " ";
}

}  // namespace

std::string bash_completion(const std::vector<CommandDeclaration>& commands) {
  std::string options, values;
  for (const CommandDeclaration& command : commands) {
    options += fmt::format("    {}) options={}{} ;;\n", command.name,
                           quoted(fmt::format("{}", fmt::join(option_names(command), " "))), bash_positional(command));
    values += bash_values(command);
  }
  return fmt::format(R"(# Completion of sleb for bash: source <(sleb completion bash)
_sleb() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} offered='' options=''
  COMPREPLY=()
  if [ "$word" = "=" ]; then word=''; fi
  if [ "$before" = "=" ]; then before=${{COMP_WORDS[COMP_CWORD-2]}}; fi
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W '{} --help --version' -- "$word"))
    return
  fi
  case "${{COMP_WORDS[1]}} $before" in
{}  esac
  case "${{COMP_WORDS[1]}}" in
{}  esac
  case "$word" in -*) offered=$options ;; esac
  if [ -n "$offered" ]; then
    COMPREPLY=($(compgen -W "$offered" -- "$word"))
  else
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "$word")
  fi
}}
complete -F _sleb sleb
)",
                     fmt::join(names_of(commands), " "), values, options);
}

std::string zsh_completion(const std::vector<CommandDeclaration>& commands) {
  std::string names, cases;
  for (const CommandDeclaration& command : commands) {
    names += fmt::format("    {}\n", quoted(zsh_escaped(command.name) + ":" + command.description));
    cases += fmt::format("    {})\n      _arguments -s", command.name);
    for (const OptionDeclaration& option : command.options) {
      for (const std::string& name : option.names) cases += " \\\n        " + quoted(zsh_option(name, option));
    }
    for (const OptionDeclaration& positional : command.positionals) {
      const std::string values = positional.choices.empty() ? (may_be_file(positional) ? "_files" : " ")
                                                            : fmt::format("({})", fmt::join(positional.choices, " "));
      cases += " \\\n        " + quoted(fmt::format(":{}:{}", zsh_escaped(positional.value), values));
    }
    cases += " ;;\n";
  }
  return fmt::format(R"(#compdef sleb
# Completion of sleb for zsh: sleb completion zsh > _sleb, in a folder of $fpath.
_sleb() {{
  local -a commands=(
{}  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  shift words
  (( CURRENT-- ))
  case $words[1] in
{}  esac
}}
if [ "$funcstack[1]" = _sleb ]; then _sleb "$@"; else compdef _sleb sleb; fi
)",
                     names, cases);
}

std::string fish_completion(const std::vector<CommandDeclaration>& commands) {
  std::string text = "# Completion of sleb for fish: sleb completion fish | source\n";
  text += "complete -c sleb -n __fish_use_subcommand -f -l help -d 'Print this help message and exit'\n";
  text += "complete -c sleb -n __fish_use_subcommand -f -l version -d 'Display program version information and exit'\n";
  for (const CommandDeclaration& command : commands) {
    text += fmt::format("complete -c sleb -n __fish_use_subcommand -f -a {} -d {}\n", command.name,
                        quoted_for_fish(command.description));
  }
  for (const CommandDeclaration& command : commands) {
    for (const OptionDeclaration& positional : command.positionals) {
      if (positional.choices.empty()) continue;
      text += fmt::format("complete -c sleb -n '__fish_seen_subcommand_from {}' -f -a '{}'\n", command.name,
                          fmt::join(positional.choices, " "));
    }
    for (const OptionDeclaration& option : command.options) {
      text += fmt::format("complete -c sleb -n '__fish_seen_subcommand_from {}'", command.name);
      for (const std::string& name : option.names) {
        text += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
      }
      if (!option.value.empty()) text += option.choices.empty() && may_be_file(option) ? " -r -F" : " -x";
      if (!option.choices.empty()) text += fmt::format(" -a '{}'", fmt::join(option.choices, " "));
      text += fmt::format(" -d {}\n", quoted_for_fish(option.description));
    }
  }
  return text;
}

}  // namespace sleb::app
