#include "apps/sleb/manual/declarations.h"

#include <sstream>

namespace sleb::app {
namespace {

// CLI11 appends to the placeholder what a validator says of itself: "KIND:{exact,race,best}", "N:INT in [1 - 4096]".
std::vector<std::string> choices_in(const std::string& type) {
  const size_t begin = type.find(":{");
  if (begin == std::string::npos) return {};
  std::istringstream words(type.substr(begin + 2, type.find('}', begin) - begin - 2));
  std::vector<std::string> choices;
  for (std::string word; std::getline(words, word, ',');) choices.push_back(word);
  return choices;
}

OptionDeclaration declaration_of(const CLI::Option& option) {
  OptionDeclaration declaration{.default_value = option.get_default_str(),
                                .description = option.get_description(),
                                .required = option.get_required()};
  for (const std::string& name : option.get_lnames()) declaration.names.push_back("--" + name);
  for (const std::string& name : option.get_snames()) declaration.names.push_back("-" + name);
  if (declaration.names.empty()) declaration.names.push_back(option.get_name());
  if (option.get_items_expected_max() > 0) {
    const std::string type = option.get_type_name();
    declaration.value = type.substr(0, type.find(':'));
    declaration.choices = choices_in(type);
  }
  return declaration;
}

}  // namespace

std::vector<CommandDeclaration> commands_of(const CLI::App& app) {
  std::vector<CommandDeclaration> commands;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (command->get_group().empty()) continue;
    CommandDeclaration declaration{command->get_name(), command->get_description(), {}, {}, command->get_footer()};
    for (const CLI::Option* option : command->get_options()) {
      if (option->get_group().empty()) continue;
      (option->get_positional() ? declaration.positionals : declaration.options).push_back(declaration_of(*option));
    }
    commands.push_back(std::move(declaration));
  }
  return commands;
}

}  // namespace sleb::app
