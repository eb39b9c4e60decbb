// The commands of sleb: those that need no libtorch run here, the others in sleb-engine.

#include "apps/sleb/commands/commands.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "sleb/base/error.h"

namespace sleb::app {
namespace {

// Becomes sleb-engine, which stands beside this program, with the same arguments.
[[noreturn]] void run_in_engine(const Session& session) {
  const auto engine = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "sleb-engine";
  std::vector<char*> arguments = {const_cast<char*>("sleb")};
  for (const std::string& argument : session.arguments) arguments.push_back(const_cast<char*>(argument.c_str()));
  const std::string config = "--config=" + session.config_file.string();
  if (!session.config_file.empty()) arguments.push_back(const_cast<char*>(config.c_str()));
  arguments.push_back(nullptr);
  ::execv(engine.c_str(), arguments.data());
  failed("{}: can't start: {}; it belongs beside sleb", engine.string(), std::strerror(errno));
}

void add_engine_command(CLI::App& app, Session& session, const std::string& name, const std::string& description) {
  auto* command = app.add_subcommand(name, description);
  command->set_help_flag();
  command->prefix_command();  // what follows is sleb-engine's to parse
  command->callback([&session] { run_in_engine(session); });
}

}  // namespace

void add_commands(CLI::App& app, Session& session) {
  add_engine_command(app, session, "prune", "Find the blocks that matter least, remove them, write the checkpoint");
  add_engine_command(app, session, "eval", "Measure what a model loses without given blocks");
  add_engine_command(app, session, "repair",
                     "Write a checkpoint without given blocks, the others fitted to their absence");
  add_engine_command(app, session, "latency", "Measure how much faster a model is without given blocks");
  add_engine_command(app, session, "generate", "Print what a model says, dense, pruned, or both");
  add_export(app, session);
  add_recipe(app, session);
  add_report(app, session);
  add_info(app, session);
  add_tokenize(app, session);
  add_engine_command(app, session, "completion", "Print a script by which a shell completes commands and options");
  add_engine_command(app, session, "manual", "Print every option of every command, as a page");
}

std::string version_text(const Session& session) {
  run_in_engine(session);
}

}  // namespace sleb::app
