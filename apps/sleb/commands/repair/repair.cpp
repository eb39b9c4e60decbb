// sleb repair: write a checkpoint without given blocks, the others fitted to their absence.

#include <fmt/core.h>

#include "apps/sleb/commands/commands.h"
#include "apps/sleb/commands/repair/repair_run.h"
#include "apps/sleb/commands/search_memory.h"
#include "apps/sleb/options/arguments.h"
#include "apps/sleb/options/calibration.h"
#include "apps/sleb/options/found_sets.h"
#include "apps/sleb/options/output_guard.h"
#include "apps/sleb/options/results.h"
#include "apps/sleb/terminal/streams.h"
#include "sleb/base/error.h"
#include "sleb/base/numbers.h"
#include "sleb/datasets/dataset_files.h"
#include "sleb/report/page/page.h"

namespace sleb::app {
namespace {

constexpr const char* default_dataset = "wikitext2";

struct RepairArguments {
  std::string model;
  std::string removal_list;
  FoundSets found_sets{.repairs = true};
  RepairTextArguments text;
  ComputeOptions compute;
  std::optional<uint64_t> state_memory;  // bytes
  ExportOptions output;
  std::string out;
  std::string base_model;
  ResultArguments results;
};

void guard_outputs(const Session& session, const RepairArguments& arguments) {
  check_one_output(arguments.results);
  OutputGuard guard(session);
  guard.reads(place_of_model(arguments.model));
  for (const std::string& text : arguments.text.datasets) guard.reads(place_of_text(text_of(text)));
  guard.reads_result(arguments.found_sets.result);
  guard.writes_checkpoint("--out", arguments.out, arguments.output.force);
  guard.writes_file("--json", arguments.results.json, arguments.output.force);
}

void show(const RepairReport& report, const RepairArguments& arguments, const ExportSize& size, TableFormat format,
          Progress& progress) {
  const std::string written = fmt::format("written: {}: {} of {} blocks, {} parameters, {}", arguments.out,
                                          report.num_blocks - std::ssize(report.removal_list), report.num_blocks,
                                          format_count(static_cast<double>(size.parameters)), format_bytes(size.bytes));
  const std::string table = repair_table(report.repair).text(format);
  if (arguments.results.format) {
    write_output(table);
    return progress.note(written);
  }
  print(
      "error of the hidden state behind each half of a block, as a share of its norm: on\n"
      "the text that was fitted, and on segments held out\n\n{}\n{}\n{}\n",
      table, in_words(report.repair), written);
}

void run(RepairArguments arguments, Session& session) {
  const TableFormat format = table_format(arguments.results.table_format());
  if (arguments.text.datasets.empty()) arguments.text.datasets = {"self", default_dataset};
  check_repair_texts(arguments.text);
  guard_outputs(session, arguments);
  read_found_sets(arguments.found_sets, arguments.removal_list);
  ExportOptions output = arguments.output;
  output.out = arguments.out;
  output.repaired = true;
  check_output(output);
  check_compute(arguments.compute);
  const ModelSource source = find_model(arguments.model, ModelParts::all, session.progress);
  Checkpoint checkpoint = open_model(source, session.progress);
  const ModelSpec& spec = checkpoint.spec();
  check_found_sets(arguments.found_sets, arguments.model, source, checkpoint, session.progress);
  output.removal_list = parse_removal_list(arguments.removal_list, spec);
  RepairOptions options = repair_options(checkpoint, output);
  check_repairable(checkpoint, options, arguments.model);
  const std::string nothing = nothing_to_repair(options.removal_list, spec.num_blocks);
  if (!nothing.empty()) bad_input("{}: {}", arguments.model, nothing);
  note_warnings(check(checkpoint, output), session.progress);
  check_sequence_length(spec, arguments.text.seqlen, "--seqlen");
  warn_of_long_segments(spec, arguments.text.seqlen, session.progress);
  note_bos(checkpoint, arguments.text.bos, session.progress);
  std::vector<Corpus> texts = load_repair_texts(checkpoint, arguments.text, session.progress);
  check_repair_text(spec, texts);

  const Compute compute = decide_compute(arguments.compute);
  const PlannedRepairMemory memory = plan_repair_memory(checkpoint, compute, size_of(texts),
                                                        {arguments.compute.weights_memory, arguments.state_memory});
  note_memory(memory, "memory", session.progress);
  options.states_place = memory.choice.states_place;
  std::optional<Model> model(std::in_place, checkpoint, compute, memory.choice.residency, session.progress);
  const FinishedRepair finished =
      run_repair(*model, {std::move(texts), arguments.text.seed}, options, session.progress);
  note_peak(model->compute(), session.progress);
  const RepairReport report{.model = arguments.model,
                            .origin = {source.repository, source.commit, arguments.base_model},
                            .command = session.command_line,
                            .num_blocks = spec.num_blocks,
                            .removal_list = options.removal_list,
                            .compute = model->compute(),
                            .repair = finished.summary};
  model.reset();
  finished.repair.apply_to(checkpoint);
  write_pruned_checkpoint(
      checkpoint, output,
      {model_card(report), to_json(report), page::picture_of(output.removal_list, report.num_blocks)},
      session.progress);
  write_json(arguments.results.json, to_json(report));
  if (!arguments.results.json_to_output()) {
    show(report, arguments, export_size(checkpoint, output), format, session.progress);
  }
}

void add_output(CLI::App& command, RepairArguments& arguments) {
  command.add_option("--out", arguments.out, "Folder to write, or of a GGUF a file, FILE.gguf")
      ->required()
      ->type_name("DIR");
  add_out_form(command, arguments.output);
  add_base_model(command, arguments.base_model);
  command.add_flag("--force", arguments.output.force, "Replace DIR or FILE if it exists");
  add_json(command, arguments.results.json, "Write the result");
  add_table_format(command, arguments.results.format);
}

}  // namespace

void add_repair(CLI::App& app, Session& session) {
  auto* command =
      app.add_subcommand("repair", "Write a checkpoint without given blocks, the others fitted to their absence");
  auto arguments = std::make_shared<RepairArguments>();
  add_model(*command, arguments->model);
  command->add_option("--removal-list", arguments->removal_list, "Blocks to leave out, as 5,4,9")
      ->each([](const std::string& list) { whole_blocks(parse_removal_list(list), "--removal-list"); })
      ->type_name("LIST");
  add_found_sets(*command, arguments->found_sets, SetsTaken::one);
  add_repair_text(*command, arguments->text, std::string("self,") + default_dataset);
  command->add_option("--seqlen", arguments->text.seqlen, "Tokens in a segment")
      ->capture_default_str()
      ->check(CLI::Range(int64_t{2}, int64_t{1} << 24))
      ->type_name("N");
  add_bos(*command, arguments->text.bos);
  command->add_option("--seed", arguments->text.seed, "Seed of the shuffle, and of what the model writes")
      ->capture_default_str()
      ->check(at_least(0))
      ->type_name("N");
  add_compute(*command, arguments->compute);
  command
      ->add_option("--state-memory", arguments->state_memory,
                   "Memory for the text's hidden states, 512M or 2G; if they take more they go to a file that is "
                   "removed (default: what is free)")
      ->transform(byte_size())
      ->type_name("BYTES");
  add_output(*command, *arguments);
  command->footer(
      "Examples:\n"
      "  sleb repair HuggingFaceTB/SmolLM2-135M --removal-list 12,26,13 \\\n"
      "      --out SmolLM2-27\n"
      "  sleb repair HuggingFaceTB/SmolLM2-135M --removal-list 12,26,13 \\\n"
      "      --out SmolLM2-27 --repair-dataset self:49152,wikitext2,notes.txt \\\n"
      "      --repair-tokens 81920\n"
      "  sleb repair HuggingFaceTB/SmolLM2-135M --from SmolLM2-pruned --blocks 28 \\\n"
      "      --out SmolLM2-28");
  command->callback([command, arguments, &session] {
    check_alone(session, "repair");
    check_blocks_given(*command);
    run(*arguments, session);
  });
}

}  // namespace sleb::app
