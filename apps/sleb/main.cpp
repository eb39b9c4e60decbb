// sleb: finds the transformer blocks a language model can do without, and removes them.

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <memory>
#include <new>

#include "arguments.h"
#include "commands.h"
#include "help.h"
#include "sleb/base/error.h"
#include "sleb/base/utf8.h"
#include "terminal_progress.h"

namespace {

enum ExitCode { done = 0, failed_while_working = 1, wrong_usage = 2 };

// Once asks the work to stop where it can be taken up again; twice stops at once.
void on_signal(int signal) {
  constexpr std::string_view message = "\nsleb: stopping at the next good place; once more stops at once\n";
  sleb::request_interrupt();
  std::signal(signal, SIG_DFL);
  static_cast<void>(!::write(STDERR_FILENO, message.data(), message.size()));
}

int report(std::string_view what, ExitCode code) {
  fmt::print(stderr, "sleb: {}\n", sleb::printable(what));
  return code;
}

int parse_and_run(CLI::App& app, std::vector<std::string> arguments) {
  std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them last first
  try {
    app.parse(std::move(arguments));
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  } catch (const CLI::CallForVersion& version) {
    return app.exit(version);
  } catch (const CLI::ParseError& error) {
    const auto chosen = app.get_subcommands();
    if (chosen.empty() && !app.remaining().empty()) {
      return report(fmt::format("unknown command \"{}\"; see sleb --help", app.remaining()[0]), wrong_usage);
    }
    const std::string command = chosen.empty() ? "" : chosen[0]->get_name() + " ";
    return report(fmt::format("{}; see sleb {}--help", error.what(), command), wrong_usage);
  }
  return done;
}

int run(int argc, char** argv, sleb::Progress& progress) {
  sleb::app::Session session{progress, sleb::app::command_line(argc, argv), sleb::app::with_hyphens(argc, argv)};
  CLI::App app(
      "Finds the transformer blocks a language model can do without, removes them, and\nshows what was lost and won.",
      "sleb");
  app.formatter(std::make_shared<sleb::app::HelpFormatter>());
  app.require_subcommand(1);
  app.set_version_flag("--version", "sleb " SLEB_VERSION);
  app.footer(
      "Examples:\n"
      "  sleb prune MODEL --dataset wiki.train.raw --ratio 0.2 --out MODEL-pruned\n"
      "  sleb eval MODEL --removal-list 5,13,20 --ppl wiki.test.raw\n"
      "  sleb latency MODEL --removal-list 5,13,20\n"
      "  sleb generate MODEL --removal-list 5,13,20 --prompt \"Once upon a time\"\n"
      "  sleb export MODEL --removal-list 5,13,20 --out MODEL-pruned\n"
      "  sleb info MODEL");
  sleb::app::add_commands(app, session);
  return parse_and_run(app, session.arguments);
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
  std::signal(SIGXFSZ, SIG_IGN);  // a file that grows too large is then an error like a full disk
  sleb::app::TerminalProgress progress;
  try {
    return run(argc, argv, progress);
  } catch (const sleb::Error& error) {
    progress.end();
    return report(error.what(), error.kind() == sleb::ErrorKind::bad_input ? wrong_usage : failed_while_working);
  } catch (const sleb::Interrupted& interrupted) {
    progress.end();
    return report(interrupted.what(), failed_while_working);
  } catch (const std::bad_alloc&) {
    progress.end();
    return report("out of memory; give fewer or shorter segments or sequences, or a narrower --dtype",
                  failed_while_working);
  } catch (const std::exception& error) {
    progress.end();
    // libtorch's messages carry a stack trace after the first line.
    const std::string what = error.what();
    return report(what.substr(0, what.find('\n')), failed_while_working);
  }
}
