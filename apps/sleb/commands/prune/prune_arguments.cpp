#include "apps/sleb/commands/prune/prune_arguments.h"

#include <algorithm>
#include <cmath>

#include "apps/sleb/options/arguments.h"
#include "apps/sleb/options/report_file.h"
#include "apps/sleb/options/texts.h"
#include "sleb/base/error.h"

namespace sleb::app {
namespace {

// --ratio 0.2 of 30 blocks is 6; the reference rounds up.
int64_t blocks_to_remove(const PruneArguments& arguments, int64_t num_blocks) {
  const GreedyOptions& greedy = arguments.greedy;
  if (greedy.num_remove_blocks > 0) return greedy.num_remove_blocks;
  if (arguments.until.any() && arguments.ratio == 0) {
    const int64_t between_barriers = num_blocks - greedy.early_barrier - greedy.latter_barrier;
    return std::max<int64_t>(1, std::min(between_barriers, num_blocks - 1));
  }
  const double ratio = arguments.ratio > 0 ? arguments.ratio : 0.2;
  return static_cast<int64_t>(std::ceil(ratio * static_cast<double>(num_blocks) - 1e-9));
}

SearchKind kind_of(const std::string& name) {
  if (name == "best") return SearchKind::best;
  return name == "race" ? SearchKind::race : SearchKind::exact;
}

void add_search(CLI::App& command, PruneArguments& arguments) {
  auto* count = command.add_option("--num-remove-blocks", arguments.greedy.num_remove_blocks, "Blocks to remove")
                    ->check(at_least(1))
                    ->type_name("N");
  command.add_option("--ratio", arguments.ratio, "Share of the blocks to remove, rounded up (default 0.2)")
      ->check(between(1e-6, 1))
      ->excludes(count)
      ->type_name("R");
  command
      .add_option("--units", arguments.units,
                  "block: whole blocks go; half: their attention and their MLP by themselves, as many of each as N "
                  "blocks have, so that what is left is as fast")
      ->capture_default_str()
      ->check(CLI::IsMember({"block", "half"}))
      ->type_name("UNIT");
  command.add_option("--early-barrier", arguments.greedy.early_barrier, "First blocks that stay")
      ->capture_default_str()
      ->check(at_least(0))
      ->type_name("N");
  command.add_option("--latter-barrier", arguments.greedy.latter_barrier, "Last blocks that stay")
      ->capture_default_str()
      ->check(at_least(0))
      ->type_name("N");
  command
      .add_option("--search", arguments.search,
                  "exact: every candidate on the whole calibration text; race: candidates that are significantly worse "
                  "are dropped early; best: a race, then whatever set of as many blocks costs less than what it found")
      ->capture_default_str()
      ->check(CLI::IsMember({"exact", "race", "best"}))
      ->type_name("KIND");
  command
      .add_option(
          "--search-budget", arguments.budget,
          "Of --search best: how much it may compute, 1 (the default) being what --search exact does; the race at "
          "its beginning is always finished")
      ->check(between(0, 1000))
      ->type_name("B");
  command
      .add_option(
          "--confidence", arguments.confidence,
          "Of a race: the chance that the best candidate of the whole text is not dropped early (default: 0.999)")
      ->check(between(0.5, 0.999999999))
      ->type_name("P");
  command
      .add_option("--criterion", arguments.criterion,
                  "loss, or kl: the divergence of the next token's distribution from the dense model's (default: loss; "
                  "kl with --search best)")
      ->check(CLI::IsMember({"loss", "kl"}))
      ->type_name("SCORE");
  command
      .add_option("--state-memory", arguments.state_memory,
                  "Memory for hidden states that the next round needs again, 512M or 2G (default: a quarter of what is "
                  "free, of a GPU three quarters)")
      ->transform(byte_size())
      ->type_name("BYTES");
}

void add_conditions(CLI::App& command, SizeConditions& until) {
  const auto add = [&](const std::string& name, std::optional<double>& limit, double least, const std::string& help) {
    command.add_option(name, limit, help)->check(between(least, 1e6))->type_name("X");
  };
  add("--until-perplexity", until.perplexity, 1,
      "Remove blocks as long as the perplexity on held-out text is at most X times the dense model's; "
      "--num-remove-blocks or --ratio is the most then (default: all). Held-out text is the first of --eval-ppl, or "
      "without it what --eval-ppl would read of the calibration data set (wikitext2: its test split), its first "
      "--eval-segments (default: 32,768 tokens)");
  add("--until-kl", until.kl, 0,
      "Likewise, as long as the divergence from the dense model on that text is at most X nats a token");
  add("--speed-up", until.speed_up, 1,
      "Remove blocks until a prompt of --prompt-tokens is read X times as fast, measured; with a limit on what that "
      "may cost nothing is written if both can't be had");
}

void add_repair(CLI::App& command, PruneArguments& arguments) {
  command.add_flag("--repair", arguments.repair,
                   "After the search: fit what the kept blocks write to the dense model's hidden states, which gives "
                   "back a part of what the removal cost; evaluations, speed and output are of the repaired model");
  add_repair_text(command, arguments.repair_text, "self and --dataset's");
}

void add_output(CLI::App& command, PruneArguments& arguments) {
  command
      .add_option("--out", arguments.out,
                  "Folder to write the pruned checkpoint to, or of a GGUF a file, FILE.gguf (default: only search)")
      ->type_name("DIR");
  add_out_form(command, arguments.output);
  add_base_model(command, arguments.base_model);
  command.add_flag("--force", arguments.output.force, "Replace DIR or FILE if it exists, and kept rounds");
  command.add_flag("--resume", arguments.resume, "Go on where the same command was stopped or killed");
  command.add_flag("--dry-run", arguments.dry_run, "Say what memory and time the search would take, and end");
  add_json(command, arguments.results.json, "Write the result");
  command
      .add_option("--recipe", arguments.recipe,
                  "Write what sleb recipe says of the result: how mergekit and llama.cpp make the same model")
      ->type_name("FILE.yml");
  add_report_file(command, arguments.report);
  add_table_format(command, arguments.results.format);
  add_records(command, arguments.record);
}

// What the dense and the pruned model are compared by when the search is done.
void add_evaluation(CLI::App& command, PruneArguments& arguments) {
  add_texts(command, "--eval-ppl", arguments.eval_texts,
            "After the search: perplexity on these texts, as --ppl of sleb eval, in segments of --seqlen");
  add_texts(command, "--eval-dataset", arguments.eval_texts, "")->group("");  // the name it had first
  command.add_option("--eval-segments", arguments.eval_segments, "Use only the first N of each text (default: all)")
      ->check(at_least(1))
      ->type_name("N");
  add_tasks(command, arguments.eval_tasks);
  command.add_option("--prompt-tokens", arguments.prompt_tokens, "Prompt length of the closing speed test; 0: no test")
      ->capture_default_str()
      ->check(CLI::Range(0, 1 << 20))
      ->type_name("N");
}

}  // namespace

void add_prune_arguments(CLI::App& command, PruneArguments& arguments) {
  add_model(command, arguments.model);
  command.add_option("--num-blocks", arguments.num_blocks)->check(at_least(1))->group("");  // the published code's
  add_calibration(command, arguments.calibration);
  add_search(command, arguments);
  add_conditions(command, arguments.until);
  add_repair(command, arguments);
  add_evaluation(command, arguments);
  add_compute(command, arguments.compute);
  add_output(command, arguments);
  command.footer(
      "Examples:\n"
      "  sleb prune HuggingFaceTB/SmolLM2-135M --ratio 0.2 --out SmolLM2-pruned\n"
      "  sleb prune model.gguf --dataset notes.txt --seqlen 512 \\\n"
      "      --num-remove-blocks 2 --json -\n"
      "  sleb prune HuggingFaceTB/SmolLM2-135M --dataset c4 --eval-ppl wikitext2,c4 \\\n"
      "      --eval-tasks piqa,arc_easy --out SmolLM2-pruned\n"
      "  sleb prune HuggingFaceTB/SmolLM2-135M --num-remove-blocks 6 --search best \\\n"
      "      --repair --out SmolLM2-pruned\n"
      "  sleb prune HuggingFaceTB/SmolLM2-135M --until-perplexity 1.1 \\\n"
      "      --out SmolLM2-pruned\n"
      "The published code's options are taken too: docs/reference.md says which.");
}

void check_search(const PruneArguments& arguments) {
  if (arguments.budget && arguments.search != "best") {
    bad_input("--search-budget {}: --search {} has none; leave it out, or give --search best", *arguments.budget,
              arguments.search);
  }
  if (arguments.repair && arguments.units == "half") {
    bad_input("--repair: what is fitted are whole blocks; leave --units half out, or repair nothing");
  }
  if (!arguments.recipe.empty() && (arguments.repair || arguments.units == "half")) {
    bad_input("--recipe {}: no recipe says {}; leave one of them out", arguments.recipe,
              arguments.repair ? "what --repair fits" : "which halves of blocks go (--units half)");
  }
  if (arguments.confidence && arguments.search == "exact") {
    bad_input("--confidence {}: --search exact drops nothing; leave it out, or give --search race",
              *arguments.confidence);
  }
}

SearchOptions search_options(const PruneArguments& arguments, const ModelSpec& spec) {
  const int64_t num_blocks = spec.num_blocks;
  SearchOptions options{.greedy = arguments.greedy,
                        .kind = kind_of(arguments.search),
                        .confidence = arguments.confidence.value_or(SearchOptions().confidence),
                        .budget = arguments.budget.value_or(SearchOptions().budget)};
  const std::string own = options.kind == SearchKind::best ? "kl" : "loss";
  options.greedy.criterion =
      (arguments.criterion.empty() ? own : arguments.criterion) == "kl" ? Criterion::kl : Criterion::loss;
  options.greedy.num_remove_blocks = blocks_to_remove(arguments, num_blocks);
  if (arguments.num_blocks > 0 && arguments.num_blocks != num_blocks) {
    bad_input("--num-blocks {}: {} has {} blocks; leave the option out, or give another model", arguments.num_blocks,
              arguments.model, num_blocks);
  }
  if (arguments.units == "half") {
    check_has_halves(spec, "--units half");
    options.greedy.units = Units::half;
  }
  check(options.greedy, num_blocks);
  return options;
}

}  // namespace sleb::app
