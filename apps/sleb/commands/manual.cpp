// sleb completion and sleb manual: what the shell and the reader are told of all commands.

#include <memory>

#include "apps/sleb/commands/commands.h"
#include "apps/sleb/manual/completion.h"
#include "apps/sleb/manual/pages.h"
#include "apps/sleb/terminal/streams.h"

namespace sleb::app {
namespace {

std::string completion_for(const std::string& shell, const std::vector<CommandDeclaration>& commands) {
  if (shell == "bash") return bash_completion(commands);
  return shell == "zsh" ? zsh_completion(commands) : fish_completion(commands);
}

}  // namespace

void add_completion(CLI::App& app, Session& session) {
  auto shell = std::make_shared<std::string>();
  auto* command = app.add_subcommand("completion", "Print a script by which a shell completes commands and options");
  command->add_option("shell", *shell, "Whose script")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}))
      ->type_name("SHELL");
  command->footer(
      "Examples:\n"
      "  source <(sleb completion bash)\n"
      "  sleb completion zsh > ~/.zfunc/_sleb\n"
      "  sleb completion fish > ~/.config/fish/completions/sleb.fish");
  command->callback([shell, &app, &session] {
    check_alone(session, "completion");
    print("{}", completion_for(*shell, commands_of(app)));
  });
}

void add_manual(CLI::App& app, Session& session) {
  auto page = std::make_shared<std::string>("man");
  auto* command = app.add_subcommand("manual", "Print every option of every command, as a page");
  command->add_option("page", *page, "man: sleb(1), for man -l; options: docs/options.md, in Markdown")
      ->capture_default_str()
      ->check(CLI::IsMember({"man", "options"}))
      ->type_name("PAGE");
  command->footer(
      "Examples:\n"
      "  sleb manual | man -l -\n"
      "  sleb manual options > options.md");
  command->callback([page, &app, &session] {
    check_alone(session, "manual");
    const auto commands = commands_of(app);
    print("{}", *page == "man" ? man_page(commands, SLEB_VERSION) : options_page(commands));
  });
}

}  // namespace sleb::app
