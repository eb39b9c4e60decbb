// The commands of sleb-engine: those that run a model are its own; of the others it knows the options, for the manual.

#include <fmt/core.h>

#include "apps/sleb/commands/commands.h"
#include "sleb/engine/compute.h"

namespace sleb::app {

void add_commands(CLI::App& app, Session& session) {
  add_prune(app, session);
  add_eval(app, session);
  add_repair(app, session);
  add_latency(app, session);
  add_generate(app, session);
  add_export(app, session);
  add_recipe(app, session);
  add_report(app, session);
  add_info(app, session);
  add_tokenize(app, session);
  add_completion(app, session);
  add_manual(app, session);
}

std::string version_text(const Session&) {
  return fmt::format("sleb {}\n{}", SLEB_VERSION, engine_description());
}

}  // namespace sleb::app
