// sleb recipe: what mergekit and llama.cpp are told to make the same pruned model.

#include <memory>

#include "apps/sleb/commands/commands.h"
#include "apps/sleb/options/arguments.h"
#include "apps/sleb/options/found_sets.h"
#include "apps/sleb/options/output_guard.h"
#include "apps/sleb/options/results.h"
#include "apps/sleb/terminal/streams.h"
#include "sleb/base/file.h"
#include "sleb/export/recipe.h"

namespace sleb::app {
namespace {

struct RecipeArguments {
  std::string result;
  std::string blocks;
  std::string model;
  std::string out;
  bool force = false;
};

void run(const RecipeArguments& arguments, const Session& session) {
  OutputGuard guard(session);
  guard.reads_result(arguments.result);
  guard.writes_file("--out", arguments.out, arguments.force);
  const ResultSets result = read_result_sets(arguments.result);
  const std::vector<RemovalList> lists = sets_of(result, arguments.blocks);
  const std::string text = text_of(recipe_of(result, lists.at(0), arguments.model));
  if (arguments.out.empty()) return write_output(text);
  write_file_atomically(arguments.out, text);
  print("written: {}\n", arguments.out);
}

}  // namespace

void add_recipe(CLI::App& app, Session& session) {
  auto* command = app.add_subcommand("recipe", "Say in mergekit's and llama.cpp's terms what was removed");
  auto arguments = std::make_shared<RecipeArguments>();
  command
      ->add_option("result", arguments->result,
                   "What sleb prune or sleb export left: a folder with a sleb.json, or that file (--json)")
      ->required()
      ->type_name("RESULT");
  add_blocks(*command, arguments->blocks, SetsTaken::one);
  command
      ->add_option(
          "--model", arguments->model,
          "How the other program finds the whole model, a folder or org/name[@revision] (default: as sleb did)")
      ->type_name("MODEL");
  command->add_option("--out", arguments->out, "File to write (default: standard output)")->type_name("FILE.yml");
  add_force(*command, arguments->force);
  command->footer(
      "Example:\n"
      "  sleb recipe SmolLM2-pruned --out recipe.yml\n"
      "  mergekit-yaml recipe.yml SmolLM2-by-mergekit");
  command->callback([arguments, &session] {
    check_alone(session, "recipe");
    run(*arguments, session);
  });
}

}  // namespace sleb::app
