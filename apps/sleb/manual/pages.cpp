#include "apps/sleb/manual/pages.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <sstream>
#include <string_view>

namespace sleb::app {
namespace {

// Characters that Markdown would obey in a table's cell.
std::string markdown(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (std::string_view("|*_<>[]\\").find(c) != std::string_view::npos) escaped += '\\';
    escaped += c;
  }
  return escaped;
}

// Between back quotes nothing is obeyed but the cell's end.
std::string markdown_code(std::string_view text) {
  std::string escaped;
  for (const char c : text) escaped += c == '|' ? std::string("\\|") : std::string(1, c);
  return "`" + escaped + "`";
}

std::string markdown_value(const OptionDeclaration& option) {
  if (option.choices.empty()) return option.value.empty() ? "" : markdown_code(option.value);
  std::vector<std::string> choices;
  for (const std::string& choice : option.choices) choices.push_back(markdown_code(choice));
  return fmt::format("{}", fmt::join(choices, ", "));
}

std::string markdown_row(const OptionDeclaration& option) {
  std::vector<std::string> names;
  for (const std::string& name : option.names) names.push_back(markdown_code(name));
  return fmt::format("| {} | {} | {} | {} |\n", fmt::join(names, ", "), markdown_value(option),
                     option.default_value.empty() ? "" : markdown_code(option.default_value),
                     markdown(option.description));
}

std::string usage(const CommandDeclaration& command) {
  std::string line = "sleb " + command.name;
  for (const OptionDeclaration& positional : command.positionals) {
    line += positional.required ? " " + positional.value : " [" + positional.value + "]";
  }
  for (const OptionDeclaration& option : command.options) {
    if (option.required) line += " " + option.names[0] + " " + option.value;
  }
  return line + " [OPTIONS]";
}

// Text of a man page: no line of it is a request, no character an escape.
std::string roff(const std::string& text) {
  std::istringstream lines(text);
  std::string escaped;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with('.') || line.starts_with('\'')) escaped += "\\&";
    for (const char c : line) escaped += c == '\\' ? std::string("\\e") : c == '-' ? "\\-" : std::string(1, c);
    escaped += '\n';
  }
  return escaped;
}

std::string roff_line(const std::string& text) {
  const std::string lines = roff(text);
  return lines.substr(0, lines.size() - 1);
}

std::string roff_option(const OptionDeclaration& option) {
  std::vector<std::string> names;
  for (const std::string& name : option.names) names.push_back("\\fB" + roff_line(name) + "\\fR");
  std::string text = fmt::format(".TP\n{}", fmt::join(names, ", "));
  if (!option.value.empty()) text += " \\fI" + roff_line(option.value) + "\\fR";
  text += "\n" + roff(option.description.empty() ? option.value : option.description);
  if (!option.choices.empty()) {
    text += roff(fmt::format("One of {}.", fmt::join(option.choices, ", ")));
  }
  if (!option.default_value.empty()) text += roff(fmt::format("Default: {}.", option.default_value));
  return text;
}

std::string roff_examples(const std::string& footer) {
  return ".PP\n.nf\n" + roff(footer) + ".fi\n";
}

}  // namespace

std::string options_page(const std::vector<CommandDeclaration>& commands) {
  std::string page =
      "# Options\n\n"
      "Every option of every command, as `sleb COMMAND --help` has them. This page is what `sleb manual options` "
      "prints; a\n"
      "test compares both. What the options mean together stands in the [reference](reference.md).\n";
  for (const CommandDeclaration& command : commands) {
    page += fmt::format(
        "\n## sleb {}\n\n{}.\n\n`{}`\n\n| option | value | default | what it does |\n"
        "| --- | --- | --- | --- |\n",
        command.name, markdown(command.description), usage(command));
    for (const OptionDeclaration& positional : command.positionals) page += markdown_row(positional);
    for (const OptionDeclaration& option : command.options) page += markdown_row(option);
    if (!command.footer.empty()) page += "\n```\n" + command.footer + "\n```\n";
  }
  return page;
}

std::string man_page(const std::vector<CommandDeclaration>& commands, const std::string& version) {
  std::string page = fmt::format(
      ".TH SLEB 1 \"\" \"sleb {}\" \"User Commands\"\n.SH NAME\nsleb \\- find the transformer blocks a language model "
      "can "
      "do without, and remove them\n.SH SYNOPSIS\n",
      version);
  for (const CommandDeclaration& command : commands) {
    page += fmt::format("{}.B {}\n", &command == commands.data() ? "" : ".br\n", roff_line(usage(command)));
  }
  page +=
      ".SH DESCRIPTION\n" +
      roff(
          "Removes whole blocks of a language model by what their absence costs on a calibration text (SLEB, Song et "
          "al., ICML 2024), can fit the others to it, and writes a checkpoint. Results go to standard output, "
          "progress and messages to standard error.") +
      ".SH COMMANDS\n";
  for (const CommandDeclaration& command : commands) {
    page += fmt::format(".SS \"sleb {}\"\n{}", command.name, roff(command.description + "."));
    for (const OptionDeclaration& positional : command.positionals) page += roff_option(positional);
    for (const OptionDeclaration& option : command.options) page += roff_option(option);
    if (!command.footer.empty()) page += roff_examples(command.footer);
  }
  page += ".SH EXIT STATUS\n.TP\n0\nDone.\n.TP\n1\nFailed while working.\n.TP\n2\nWrong usage or bad input.\n";
  page += ".SH ENVIRONMENT\n.TP\n.B HF_HOME, HF_HUB_CACHE, HF_HUB_OFFLINE\n" +
          roff("Where models and data sets by name are kept, and whether any is fetched, as huggingface_hub has it.") +
          ".TP\n.B SLEB_HF\n" + roff("The hf command that fetches them.");
  return page;
}

}  // namespace sleb::app
