// sleb prune: search, compare, write.

#include <fmt/core.h>

#include <chrono>
#include <cmath>

#include "arguments.h"
#include "calibration.h"
#include "commands.h"
#include "sleb/base/error.h"
#include "sleb/base/numbers.h"
#include "sleb/eval/perplexity.h"
#include "sleb/export/pruned_checkpoint.h"
#include "sleb/report/prune_report.h"
#include "sleb/search/greedy.h"

namespace sleb::app {
namespace {

struct PruneArguments {
  std::string model;
  CalibrationArguments calibration;
  GreedyOptions greedy;
  double ratio = 0;
  std::string search = "exact";
  ComputeOptions compute;
  ExportOptions output;
  std::string out;
  std::string held_out;
  int64_t held_out_segments = 0;  // 0: all
  int64_t prompt_tokens = 512;
  std::string json;
  std::string format = "md";
};

constexpr int64_t prompt_repeats = 5;

// --ratio 0.2 of 30 blocks is 6; the reference rounds up.
int64_t blocks_to_remove(const PruneArguments& arguments, int64_t num_blocks) {
  if (arguments.greedy.num_remove_blocks > 0) return arguments.greedy.num_remove_blocks;
  const double ratio = arguments.ratio > 0 ? arguments.ratio : 0.2;
  return static_cast<int64_t>(std::ceil(ratio * static_cast<double>(num_blocks) - 1e-9));
}

std::string round_line(const GreedyStep& step, size_t round, int64_t rounds, const Corpus& corpus) {
  return fmt::format("round {} of {}: block {:>2} removed  loss {:.2f}  perplexity {:.2f}  {}", round, rounds,
                     step.removed, step.loss, perplexity(step.loss, corpus.segments, corpus.seqlen),
                     format_seconds(step.seconds));
}

GreedyResult search(const PlanEvaluator& evaluator, const GreedyOptions& options, Progress& progress) {
  const Corpus& corpus = evaluator.corpus();
  const auto losses = [&](const std::vector<Plan>& plans, const std::string& stage) {
    std::vector<double> values;
    for (const PlanLoss& loss : evaluator.evaluate(plans, {.stage = stage}, progress)) {
      values.push_back(reference_loss(loss.total_nll(), corpus.seqlen));
    }
    return values;
  };
  size_t round = 0;
  return greedy_search(evaluator.model().spec().num_blocks, options, losses, [&](const GreedyStep& step) {
    progress.note(round_line(step, ++round, options.num_remove_blocks, corpus));
  });
}

void run(PruneArguments& arguments, Session& session) {
  const auto start = std::chrono::steady_clock::now();
  const TableFormat format = table_format(arguments.format);
  const Checkpoint checkpoint = Checkpoint::open(arguments.model);
  const ModelSpec& spec = checkpoint.spec();
  GreedyOptions greedy = arguments.greedy;
  greedy.num_remove_blocks = blocks_to_remove(arguments, spec.num_blocks);
  check(greedy, spec.num_blocks);
  ExportOptions output = arguments.output;
  output.out = arguments.out;
  if (!arguments.out.empty()) check(checkpoint, output);
  check_json_path(arguments.json);
  check_sequence_length(spec, arguments.calibration.options.seqlen, "--seqlen");
  check_sequence_length(spec, arguments.prompt_tokens, "--prompt-tokens");

  const Corpus calibration = load_calibration(checkpoint, arguments.calibration);
  std::optional<Corpus> held_out;
  if (!arguments.held_out.empty()) {
    held_out =
        evaluation_corpus(arguments.held_out, checkpoint.tokenizer(), calibration.seqlen,
                          arguments.held_out_segments > 0 ? std::optional(arguments.held_out_segments) : std::nullopt);
  }
  const Model model(checkpoint, arguments.compute, session.progress);
  const PlanEvaluator evaluator(model, calibration);
  session.progress.note(fmt::format("{}: {} blocks; {} segments of {} tokens; {} on {}, {} threads", arguments.model,
                                    spec.num_blocks, calibration.segments, calibration.seqlen, model.compute().dtype,
                                    model.compute().device, model.compute().threads));
  if (calibration.seqlen > spec.max_positions) {
    session.progress.note(
        fmt::format("warning: segments of {} tokens are longer than the {} positions the model was made for",
                    calibration.seqlen, spec.max_positions));
  }

  PruneReport report;
  report.model = arguments.model;
  report.command = session.command_line;
  report.num_blocks = spec.num_blocks;
  report.calibration = calibration;
  report.seed = arguments.calibration.options.seed;
  report.compute = model.compute();
  report.search = arguments.search;
  report.result = search(evaluator, greedy, session.progress);
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();

  const ExportSize dense = export_size(checkpoint, output);
  output.removal_list = report.result.removal_list();
  const ExportSize pruned = export_size(checkpoint, output);
  report.dense_size = {spec.num_blocks, dense.parameters, dense.bytes};
  report.pruned_size = {spec.num_blocks - greedy.num_remove_blocks, pruned.parameters, pruned.bytes};
  const Plan plan = Plan::without_blocks(output.removal_list);
  if (held_out) {
    report.held_out = HeldOut{held_out->name, held_out->segments * held_out->seqlen,
                              compare_perplexity(model, *held_out, plan, session.progress)};
  }
  if (arguments.prompt_tokens > 0) {
    report.speed = measure_prompt_speed(model, plan, arguments.prompt_tokens, prompt_repeats, session.progress);
  }
  if (!arguments.out.empty()) {
    const std::vector<NamedText> extra = {{"README.md", model_card(report)},
                                          {"sleb.json", to_json(report).dump(2) + "\n"}};
    write_pruned_checkpoint(checkpoint, output, extra, session.progress);
  }
  write_json(arguments.json, to_json(report));
  if (arguments.json == "-") return;
  fmt::print("removal list: {}\n\n{}", format_list(output.removal_list), comparison_table(report).text(format));
  if (!arguments.out.empty()) fmt::print("\nwritten: {}\n", arguments.out);
}

void add_search(CLI::App& command, PruneArguments& arguments) {
  auto* count = command.add_option("--num-remove-blocks", arguments.greedy.num_remove_blocks, "Blocks to remove")
                    ->check(at_least(1))
                    ->type_name("N");
  command.add_option("--ratio", arguments.ratio, "Share of the blocks to remove, rounded up (default 0.2)")
      ->check(CLI::Range(1e-6, 1.0))
      ->excludes(count)
      ->type_name("R");
  command.add_option("--early-barrier", arguments.greedy.early_barrier, "First blocks that stay")
      ->capture_default_str()
      ->type_name("N");
  command.add_option("--latter-barrier", arguments.greedy.latter_barrier, "Last blocks that stay")
      ->capture_default_str()
      ->type_name("N");
  command.add_option("--search", arguments.search, "exact: every candidate on the whole calibration text")
      ->capture_default_str()
      ->check(CLI::IsMember({"exact"}))
      ->type_name("KIND");
}

void add_output(CLI::App& command, PruneArguments& arguments) {
  command.add_option("--out", arguments.out, "Folder to write the pruned checkpoint to (default: only search)")
      ->type_name("DIR");
  command
      .add_option("--out-dtype", arguments.output.out_dtype,
                  "auto (as stored; GGUF: bfloat16), float32, bfloat16, float16")
      ->capture_default_str()
      ->type_name("TYPE");
  command.add_flag("--force", arguments.output.force, "Replace DIR if it exists");
  command.add_option("--eval-dataset", arguments.held_out, "Held-out text for the closing table, as --dataset")
      ->type_name("FILE");
  command.add_option("--eval-segments", arguments.held_out_segments, "Use only its first N segments (default: all)")
      ->check(at_least(1))
      ->type_name("N");
  command.add_option("--prompt-tokens", arguments.prompt_tokens, "Prompt length of the closing speed test; 0: no test")
      ->capture_default_str()
      ->check(CLI::Range(0, 1 << 20))
      ->type_name("N");
  command.add_option("--json", arguments.json, "Write the result as JSON (- for stdout)")->type_name("FILE");
  command.add_option("-o,--output", arguments.format, "Table as md, csv, json or jsonl")
      ->capture_default_str()
      ->type_name("FORMAT");
}

}  // namespace

void add_prune(CLI::App& app, Session& session) {
  auto* command = app.add_subcommand("prune", "Find the blocks that matter least, remove them, write the checkpoint");
  auto arguments = std::make_shared<PruneArguments>();
  add_model(*command, arguments->model);
  add_calibration(*command, arguments->calibration);
  add_search(*command, *arguments);
  add_compute(*command, arguments->compute);
  add_output(*command, *arguments);
  command->footer(
      "Examples:\n"
      "  sleb prune SmolLM2-135M --dataset wiki.train.raw --ratio 0.2 --out SmolLM2-pruned\n"
      "  sleb prune model.gguf --dataset notes.txt --seqlen 512 --num-remove-blocks 2 --json -");
  command->callback([arguments, &session] { run(*arguments, session); });
}

}  // namespace sleb::app
