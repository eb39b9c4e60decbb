// sleb report: what sleb prune found, as a page or a picture; several results beside each other.

#include <fmt/core.h>

#include <memory>

#include "apps/sleb/commands/commands.h"
#include "apps/sleb/options/arguments.h"
#include "apps/sleb/options/output_guard.h"
#include "apps/sleb/options/report_file.h"
#include "apps/sleb/options/results.h"
#include "apps/sleb/terminal/streams.h"
#include "sleb/base/file.h"
#include "sleb/export/result_sets.h"

namespace sleb::app {
namespace {

struct ReportArguments {
  std::vector<std::string> results;
  std::string out;
  bool force = false;
};

void run(const ReportArguments& arguments, const Session& session) {
  check_report_file("-o", arguments.out);
  OutputGuard guard(session);
  for (const std::string& result : arguments.results) guard.reads_result(result);
  guard.writes_file("-o", arguments.out, arguments.force);
  std::vector<result::PruneResult> results;
  for (const std::string& name : arguments.results) {
    const std::filesystem::path file = file_of_result(name);
    const Json json = read_result(file);
    results.push_back(result::prune_result(JsonView(json, file.string())));
  }
  std::vector<page::NamedResult> named;
  const auto names = names_of(arguments.results);
  for (size_t i = 0; i < results.size(); ++i) named.push_back({names[i], &results[i]});
  write_file_atomically(arguments.out, report_text(arguments.out, named));
  print("written: {}\n", arguments.out);
}

}  // namespace

void add_report(CLI::App& app, Session& session) {
  auto* command = app.add_subcommand("report", "Show what sleb prune found, as a page or a picture");
  auto arguments = std::make_shared<ReportArguments>();
  command
      ->add_option(
          "results", arguments->results,
          "What sleb prune left: folders with a sleb.json, or such files (--json); several are set beside each "
          "other")
      ->required()
      ->type_name("RESULT");
  command
      ->add_option("-o,--output", arguments->out,
                   "File to write: .html, a page; .svg, its map and path for papers; .json, its numbers")
      ->required()
      ->type_name("FILE");
  add_force(*command, arguments->force);
  command->footer(
      "Examples:\n"
      "  sleb report SmolLM2-pruned -o SmolLM2.html\n"
      "  sleb report exact.json race.json best.json -o searches.html");
  command->callback([arguments, &session] {
    check_alone(session, "report");
    run(*arguments, session);
  });
}

}  // namespace sleb::app
