// sleb export: write a checkpoint without given blocks.

#include <fmt/core.h>

#include "apps/sleb/commands/commands.h"
#include "apps/sleb/options/arguments.h"
#include "apps/sleb/options/found_sets.h"
#include "apps/sleb/options/output_guard.h"
#include "apps/sleb/options/removal_lists.h"
#include "apps/sleb/terminal/streams.h"
#include "sleb/base/numbers.h"
#include "sleb/export/gguf/gguf_output.h"
#include "sleb/export/model_origin.h"
#include "sleb/export/pruned_checkpoint.h"
#include "sleb/report/page/page.h"

namespace sleb::app {
namespace {

struct ExportArguments {
  std::string model;
  std::string removal_list;
  FoundSets found_sets;
  std::string out;
  std::string base_model;
  ExportOptions options;
};

std::string card(const ModelOrigin& origin, const std::string& command, const RemovalList& removal_list,
                 int64_t num_blocks) {
  return card_front_matter(origin) +
         fmt::format(
             "Without blocks {} of {} (numbered as in the original model). No weight was changed.\n\n{}{}Made "
             "by\n\n```\n{}\n```\n",
             text_of(removal_list), num_blocks, card_origin(origin), card_picture("Which blocks are gone"), command);
}

void run(ExportArguments& arguments, Session& session) {
  OutputGuard guard(session);
  guard.reads(place_of_model(arguments.model));
  guard.reads_result(arguments.found_sets.result);
  guard.writes_checkpoint("--out", arguments.out, arguments.options.force);
  ExportOptions options = arguments.options;
  options.out = arguments.out;
  check_output(options);
  read_found_sets(arguments.found_sets, arguments.removal_list);
  const ModelSource source = find_model(arguments.model, ModelParts::all, session.progress);
  const Checkpoint checkpoint = open_model(source, session.progress);
  const int64_t num_blocks = checkpoint.spec().num_blocks;
  check_found_sets(arguments.found_sets, arguments.model, source, checkpoint, session.progress);
  options.removal_list = parse_removal_list(arguments.removal_list, checkpoint.spec());
  // To check() an empty list is one that is not known yet; what a GGUF can't be is found before it is written too.
  const bool is_whole_gguf = options.removal_list.empty() && is_gguf_output(options.out);
  if (!is_whole_gguf) note_warnings(check(checkpoint, options), session.progress);
  const ModelOrigin origin{source.repository, source.commit, arguments.base_model};
  OrderedJson json = {{"model", arguments.model}};
  add_origin(json, origin);
  json.update({{"num_blocks", num_blocks}, {"removal_list", options.removal_list}});
  write_pruned_checkpoint(checkpoint, options,
                          {card(origin, session.command_line, options.removal_list, num_blocks), json,
                           page::picture_of(options.removal_list, num_blocks)},
                          session.progress);
  const ExportSize size = export_size(checkpoint, options);
  print("written: {}: {} of {} blocks, {} parameters, {}\n", arguments.out,
        num_blocks - std::ssize(blocks_gone(options.removal_list)), num_blocks,
        format_count(static_cast<double>(size.parameters)), format_bytes(size.bytes));
}

}  // namespace

void add_export(CLI::App& app, Session& session) {
  auto* command = app.add_subcommand("export", "Write a checkpoint without given blocks");
  auto arguments = std::make_shared<ExportArguments>();
  add_model(*command, arguments->model);
  add_removal_list(*command, arguments->removal_list, "; \"\" for none");
  add_found_sets(*command, arguments->found_sets, SetsTaken::one);
  command->add_option("--out", arguments->out, "Folder to write, or of a GGUF a file, FILE.gguf")
      ->required()
      ->type_name("DIR");
  add_out_form(*command, arguments->options);
  add_base_model(*command, arguments->base_model);
  command->add_flag("--force", arguments->options.force, "Replace DIR or FILE if it exists");
  command->footer(
      "Examples:\n"
      "  sleb export HuggingFaceTB/SmolLM2-135M --removal-list 12,26,13 \\\n"
      "      --out SmolLM2-27\n"
      "  sleb export HuggingFaceTB/SmolLM2-135M --from SmolLM2-pruned --blocks 28 \\\n"
      "      --out SmolLM2-28\n"
      "  sleb export model.gguf --removal-list 12,26,13 \\\n"
      "      --out model-27.gguf");
  command->callback([command, arguments, &session] {
    check_alone(session, "export");
    check_blocks_given(*command);
    run(*arguments, session);
  });
}

}  // namespace sleb::app
