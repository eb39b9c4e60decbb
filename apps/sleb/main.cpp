// sleb: finds the transformer blocks a language model can do without, and removes them.

#include <fmt/core.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <sstream>

#include "apps/sleb/commands/commands.h"
#include "apps/sleb/options/arguments.h"
#include "apps/sleb/options/config_file.h"
#include "apps/sleb/options/reference_options.h"
#include "apps/sleb/terminal/help.h"
#include "apps/sleb/terminal/streams.h"
#include "apps/sleb/terminal/terminal_progress.h"
#include "sleb/base/error.h"
#include "sleb/base/utf8.h"

namespace {

enum ExitCode { done = 0, failed_while_working = 1, wrong_usage = 2 };

// Of many processes only the first talks to the user, unless it can't.
volatile std::sig_atomic_t quiet = 0;

// On a line of its own: in a progress bar's place, or below what a terminal shows of the result.
void say(std::string_view text) {
  if (quiet != 0) return;
  sleb::app::write_message(sleb::app::bar_on_screen != 0 ? "\r\x1b[J" : "\n");
  sleb::app::write_message(text);
}

// The second time: at once.
void stop_now(int signal) {
  say("");
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

// The first time asks the work to stop where it can be taken up again.
void on_signal(int signal) {
  std::signal(signal, stop_now);
  sleb::request_interrupt();
  say("sleb: stopping at the next good place; once more stops at once\n");
}

// A program that starts this one with its own number in SLEB_PARENT, as the Python package does, is not outlived:
// however it ends, this one is told to stop. A program between the two has to see to that itself.
void end_with_parent() {
  const char* text = std::getenv("SLEB_PARENT");
  if (text == nullptr) return;
  const auto parent = static_cast<pid_t>(std::strtol(text, nullptr, 10));
  ::unsetenv("SLEB_PARENT");  // it is not the parent of what this one starts
  if (::getppid() == parent) ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  const bool has_ended = parent > 0 && ::kill(parent, 0) != 0 && errno == ESRCH;
  if (has_ended) std::raise(SIGTERM);
}

ExitCode exit_code(sleb::ErrorKind kind) {
  return kind == sleb::ErrorKind::bad_input ? wrong_usage : failed_while_working;
}

int report(std::string_view what, ExitCode code) {
  sleb::app::write_message(fmt::format("sleb: {}\n", sleb::printable(what)));
  return code;
}

int parse_and_run(CLI::App& app, std::vector<std::string> arguments) {
  std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them last first
  try {
    app.parse(std::move(arguments));
  } catch (const CLI::Success& help_or_version) {
    std::ostringstream text;
    app.exit(help_or_version, text, text);
    if (quiet == 0) sleb::app::write_output(text.str());
    return done;
  } catch (const CLI::ParseError& error) {
    if (quiet != 0) return wrong_usage;
    const auto chosen = app.get_subcommands();
    if (chosen.empty() && !app.remaining().empty()) {
      return report(fmt::format("unknown command \"{}\"; see sleb --help", app.remaining()[0]), wrong_usage);
    }
    const std::string command = chosen.empty() ? "" : chosen[0]->get_name() + " ";
    return report(fmt::format("{}; see sleb {}--help", error.what(), command), wrong_usage);
  }
  return done;
}

// Results name models and files in JSON, which is UTF-8: better refused now than after hours of work.
void check_utf8(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    if (sleb::is_valid_utf8(argv[i])) continue;
    sleb::bad_input("{}: not valid UTF-8, so no result could name it; give it another name, or a link to it", argv[i]);
  }
}

// All processes find the same mistake.
std::vector<std::string> own_options(const std::vector<std::string>& arguments) {
  try {
    return sleb::app::in_own_options(arguments);
  } catch (const sleb::Error& error) {
    if (quiet != 0) throw sleb::app::ToldElsewhere{error.kind()};
    throw;
  }
}

// "" for a path is an unset variable of a script's: work of hours would go nowhere.
void refuse_empty_paths(CLI::App& command) {
  const auto check = [](const std::string& path) { return path.empty() ? "an empty path" : ""; };
  for (CLI::Option* option : command.get_options()) {
    const std::string type = option->get_type_name();
    if (type.starts_with("FILE") || type.starts_with("DIR")) option->check(CLI::Validator(check, "", ""));
  }
}

// What is typed, with what a file of --config adds; which every command takes.
void set_arguments(int argc, char** argv, CLI::App& app, sleb::app::Session& session) {
  for (CLI::App* command : app.get_subcommands([](CLI::App*) { return true; })) {
    if (command->get_help_ptr() == nullptr) continue;  // sleb-engine's to parse
    command->add_option("--config", "File with options: num-remove-blocks = 6; what is typed beside it goes first")
        ->type_name("FILE.toml");
    refuse_empty_paths(*command);
  }
  const std::vector<std::string> typed(argv + 1, argv + argc);
  const auto words = sleb::app::with_hyphens(argc, argv);
  sleb::app::Configured configured = sleb::app::without_config_file(words);
  const CLI::App* command =
      configured.arguments.empty() ? nullptr : sleb::app::find_command(app, configured.arguments[0]);
  const bool is_sleb_engine_s = command != nullptr && command->get_help_ptr() == nullptr;
  if (!is_sleb_engine_s) configured = sleb::app::with_config_file(words, app);
  for (const std::string& note : configured.notes) {
    if (quiet == 0) session.progress.note("warning: " + note);
  }
  session.command_line = sleb::app::command_line(configured.file.empty() ? typed : configured.arguments);
  session.arguments = std::move(configured.arguments);
  session.config_file = std::move(configured.file);
}

int run(int argc, char** argv, sleb::Progress& progress) {
  check_utf8(argc, argv);
  sleb::app::Session session{progress, "", {}, sleb::read_torchrun_environment()};
  quiet = session.environment.rank > 0 ? 1 : 0;
  CLI::App app(
      "Finds the transformer blocks a language model can do without, removes them, and\nshows what was lost and won.",
      "sleb");
  app.formatter(std::make_shared<sleb::app::HelpFormatter>());
  app.require_subcommand(1);
  app.set_version_flag("--version", [&session] { return sleb::app::version_text(session); });
  app.footer(
      "Examples:\n"
      "  sleb prune MODEL --dataset wikitext2 --ratio 0.2 --out MODEL-pruned\n"
      "  sleb eval MODEL --removal-list 5,13,20 --ppl wikitext2,c4\n"
      "  sleb latency MODEL --removal-list 5,13,20\n"
      "  sleb generate MODEL --removal-list 5,13,20 --prompt \"Once upon a time\"\n"
      "  sleb export MODEL --removal-list 5,13,20 --out MODEL-pruned\n"
      "  sleb info MODEL\n"
      "MODEL: a folder, a .gguf file, or a name such as HuggingFaceTB/SmolLM2-135M.");
  sleb::app::add_commands(app, session);
  set_arguments(argc, argv, app, session);
  return parse_and_run(app, own_options(session.arguments));
}

}  // namespace

int main(int argc, char** argv) {
  sleb::app::prepare_standard_streams();
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
  std::signal(SIGCHLD, SIG_DFL);  // a parent's choice to ignore it would hide how hf ended
  std::signal(SIGXFSZ, SIG_IGN);  // a file that grows too large is then an error like a full disk
  end_with_parent();
  sleb::app::TerminalProgress progress;
  try {
    return run(argc, argv, progress);
  } catch (const sleb::app::ToldElsewhere& told) {
    return exit_code(told.kind);
  } catch (...) {
    progress.end();
    const sleb::app::Failure failure = sleb::app::current_failure();
    return report(failure.message, exit_code(failure.kind));
  }
}
