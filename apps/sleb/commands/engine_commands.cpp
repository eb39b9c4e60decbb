// The commands of sleb-engine: those that run a model.

#include "apps/sleb/commands/commands.h"

namespace sleb::app {

void add_commands(CLI::App& app, Session& session) {
  add_prune(app, session);
  add_eval(app, session);
  add_repair(app, session);
  add_latency(app, session);
  add_generate(app, session);
}

}  // namespace sleb::app
