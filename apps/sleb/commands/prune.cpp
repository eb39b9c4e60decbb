// sleb prune: search, compare, write.

#include <fmt/core.h>

#include <array>
#include <chrono>

#include "apps/sleb/commands/commands.h"
#include "apps/sleb/commands/dry_run.h"
#include "apps/sleb/commands/kept_rounds.h"
#include "apps/sleb/commands/prune_arguments.h"
#include "apps/sleb/commands/search_memory.h"
#include "apps/sleb/options/arguments.h"
#include "apps/sleb/options/many_processes.h"
#include "apps/sleb/options/self_text.h"
#include "apps/sleb/terminal/streams.h"
#include "sleb/base/error.h"
#include "sleb/base/numbers.h"
#include "sleb/datasets/dataset_files.h"
#include "sleb/eval/latency.h"
#include "sleb/eval/perplexity.h"
#include "sleb/export/pruned_checkpoint.h"
#include "sleb/report/prune_report.h"
#include "sleb/search/search.h"

namespace sleb::app {
namespace {

constexpr int64_t prompt_repeats = 5;
constexpr const char* gpu_arithmetic = "what computes";

std::string round_line(const GreedyResult& so_far, int64_t rounds, const Corpus& corpus) {
  const GreedyStep& step = so_far.steps.back();
  const std::optional<double> margin = step.margin();
  return fmt::format("round {} of {}: block {:>2} removed  loss {:.2f}  perplexity {:.2f}  margin {}  {}",
                     so_far.steps.size(), rounds, step.removed, step.loss,
                     perplexity(step.loss, corpus.segments, corpus.seqlen),
                     margin ? fmt::format("{:.1f} se", *margin) : "-", format_seconds(step.seconds));
}

// What the losses depend on.
Fingerprint fingerprint(const PruneArguments& arguments, const GreedyOptions& greedy, const PlanEvaluator& evaluator,
                        Progress& progress) {
  const Model& model = evaluator.model();
  const Corpus& corpus = evaluator.corpus();
  Fingerprint fingerprint;
  fingerprint.add("sleb", SLEB_VERSION);
  fingerprint.add("the model", model.checkpoint().fingerprint(progress));
  fingerprint.add("the calibration text's ids", corpus.ids_sha256);
  fingerprint.add("the number of segments", std::to_string(corpus.segments));
  fingerprint.add("--seqlen", std::to_string(corpus.seqlen));
  fingerprint.add("--seed", std::to_string(arguments.calibration.options.seed));
  fingerprint.add("--num-remove-blocks", std::to_string(greedy.num_remove_blocks));
  fingerprint.add("--early-barrier", std::to_string(greedy.early_barrier));
  fingerprint.add("--latter-barrier", std::to_string(greedy.latter_barrier));
  fingerprint.add("--search", arguments.search);
  if (arguments.search == "race") fingerprint.add("--confidence", fmt::format("{}", arguments.confidence));
  fingerprint.add("--criterion", arguments.criterion);
  fingerprint.add("--dtype", model.compute().dtype);
  fingerprint.add("--device", model.compute().device);
  const std::string arithmetic = arithmetic_of(model.compute());
  if (!arithmetic.empty()) fingerprint.add(gpu_arithmetic, arithmetic);
  fingerprint.add("--threads", std::to_string(model.compute().threads));
  fingerprint.add(std::string(segments_at_a_time), std::to_string(evaluator.chunk_segments()));
  const ProcessGroup* processes = model.compute().processes;
  if (processes != nullptr) fingerprint.add("the number of processes", std::to_string(processes->size()));
  return fingerprint;
}

// Machines may differ in what they compute with, not in what they compute.
void agree(ProcessGroup& processes, const Fingerprint& fingerprint, const std::optional<Corpus>& held_out) {
  const OrderedJson json = fingerprint.json();
  for (const auto& [name, value] : json.items()) {
    const bool may_differ = name == "--threads" || name == "--device" || name == gpu_arithmetic;
    if (!may_differ) processes.agree(name, value.get<std::string>());
  }
  processes.agree("the held-out text's ids", held_out ? held_out->ids_sha256 : "none");
}

// Where the search begins is rank 0's to know: it alone keeps finished rounds. Nothing: the result is there already.
std::optional<SearchState> agreed_begin(ProcessGroup& processes, const std::optional<SearchState>& own) {
  const std::string text = processes.broadcast(own ? text_of(*own) : "");
  if (text.empty()) return {};
  return search_state_of(text, "the state of the search from rank 0");
}

GreedyResult search(const PlanEvaluator& evaluator, const SearchOptions& options, SearchState state,
                    KeptRounds& kept_rounds, Progress& progress) {
  SearchHooks hooks;
  if (kept_rounds.possible()) hooks.save = [&](const SearchState& now) { kept_rounds.save(now, progress); };
  hooks.round_finished = [&](const GreedyResult& so_far) {
    progress.note(round_line(so_far, options.greedy.num_remove_blocks, evaluator.corpus()));
  };
  return run_search(evaluator, options, std::move(state), hooks, progress);
}

void note_beginning(const std::string& name, const Model& model, const Corpus& corpus, const SearchMemory& memory,
                    Progress& progress) {
  progress.note(fmt::format("{}: {} blocks; {} segments of {} tokens; {}", name, model.spec().num_blocks,
                            corpus.segments, corpus.seqlen, how_computed(model.compute())));
  note_memory(memory, model.spec().num_blocks, progress);
  warn_of_long_segments(model.spec(), corpus.seqlen, progress);
}

// What --resume finds done already.
void show_finished(const PruneArguments& arguments, const OrderedJson& result, Progress& progress) {
  write_json(arguments.results.json, result);
  const std::string where = arguments.out.empty() ? arguments.results.json : arguments.out;
  if (arguments.results.json_to_output() || arguments.results.format) {
    progress.note(fmt::format("finished already: {}", where));
  } else {
    print("removal list: {}\n\nfinished already: {}\n",
          format_list(result.at("removal_list").get<std::vector<int64_t>>()), where);
  }
}

PromptSpeed measure_prompt_speed(const Model& model, const Plan& pruned, int64_t prompt_tokens, Progress& progress) {
  const std::array plans = {Plan(), pruned};
  const LatencyOptions options{.mode = LatencyMode::prompt,
                               .prompt_tokens = prompt_tokens,
                               .logits = LogitRows::last,
                               .repeats = prompt_repeats};
  const LatencyComparison speed = measure_latency(model, plans, options, progress);
  const auto tokens = static_cast<double>(prompt_tokens);
  return {prompt_tokens, tokens / median(speed.models[0].seconds), tokens / median(speed.models[1].seconds)};
}

// The sizes, held-out text and speed of the closing table.
void compare(PruneReport& report, const PruneArguments& arguments, const ExportOptions& output,
             const PlanEvaluator& evaluator, const std::optional<Corpus>& held_out, Progress& progress) {
  const Model& model = evaluator.model();
  ExportOptions all_blocks = output;
  all_blocks.removal_list.clear();
  const ExportSize dense = export_size(model.checkpoint(), all_blocks);
  const ExportSize pruned = export_size(model.checkpoint(), output);
  const auto removed = static_cast<int64_t>(output.removal_list.size());
  report.dense_size = {report.num_blocks, dense.parameters, dense.bytes};
  report.pruned_size = {report.num_blocks - removed, pruned.parameters, pruned.bytes};
  const Plan plan = Plan::without_blocks(output.removal_list);
  if (held_out) {
    report.held_out = HeldOut{held_out->name, held_out->origin, held_out->segments * held_out->seqlen,
                              compare_perplexity(model, *held_out, plan, progress, evaluator.chunk_segments())};
  }
  if (arguments.prompt_tokens > 0) {
    report.speed = measure_prompt_speed(model, plan, arguments.prompt_tokens, progress);
  }
}

// What the user and an earlier run leave to choose.
MemoryPlan::Preferences memory_preferences(const PruneArguments& arguments, const KeptRounds& kept_rounds) {
  MemoryPlan::Preferences preferences{.state_memory = arguments.state_memory,
                                      .chunk_segments = kept_rounds.segments_at_a_time()};
  if (arguments.compute.weights_memory > 0) preferences.weights_memory = arguments.compute.weights_memory;
  return preferences;
}

// All ranks compute the same chunks: no more segments at a time than any of them has memory for.
SearchMemory plan_memory_together(SearchToPlan search, ProcessGroup* processes) {
  SearchMemory memory = plan_memory(search);
  if (processes == nullptr) return memory;
  int64_t fewest = memory.choice.chunk_segments;
  for (const std::string& text : processes->all_gather(std::to_string(fewest))) {
    fewest = std::min<int64_t>(fewest, std::atoll(text.c_str()));
  }
  if (fewest == memory.choice.chunk_segments) return memory;
  search.preferences.chunk_segments = std::max<int64_t>(1, fewest);
  return plan_memory(search);
}

struct Texts {
  Corpus calibration;
  std::optional<Corpus> held_out;
};

Texts load_texts(const Checkpoint& checkpoint, const PruneArguments& arguments, Progress& progress) {
  Texts texts{load_calibration(checkpoint, arguments.calibration, progress), {}};
  if (!arguments.held_out.empty()) {
    EvaluationOptions options{.seqlen = texts.calibration.seqlen};
    options.bos = bos_for(checkpoint, arguments.calibration.bos, progress);
    if (arguments.held_out_segments > 0) options.segments = arguments.held_out_segments;
    texts.held_out = load_evaluation("--eval-dataset", arguments.held_out, arguments.calibration.options.seed,
                                     checkpoint.tokenizer(), options, progress);
  }
  return texts;
}

// All that is known before the search.
PruneReport begin_report(const PruneArguments& arguments, const ModelSource& source, const SearchOptions& options,
                         const PlanEvaluator& evaluator, const Session& session) {
  PruneReport report;
  report.model = arguments.model;
  report.origin = {source.repository, source.commit, arguments.base_model};
  report.command = session.command_line;
  report.num_blocks = evaluator.model().spec().num_blocks;
  report.calibration = evaluator.corpus();
  report.seed = arguments.calibration.options.seed;
  report.compute = evaluator.model().compute();
  report.search = arguments.search;
  if (options.kind == SearchKind::race) report.confidence = options.confidence;
  report.criterion = options.greedy.criterion;
  return report;
}

// Where the search begins. Nothing: an earlier run has finished it, and the user is told.
std::optional<SearchState> beginning(const PruneArguments& arguments, const Checkpoint& checkpoint,
                                     const ExportOptions& output, const Fingerprint& fingerprint,
                                     KeptRounds& kept_rounds, Progress& progress, ProcessGroup* processes) {
  const auto result = kept_rounds.finished_result(fingerprint);
  std::optional<SearchState> state;
  if (!result) {
    if (kept_rounds.may_be_finished() && !arguments.out.empty()) note_warnings(check(checkpoint, output), progress);
    state = kept_rounds.begin(fingerprint, progress);
  }
  if (processes != nullptr) state = agreed_begin(*processes, state);
  if (result) {
    show_finished(arguments, *result, progress);
    kept_rounds.remove();
  }
  return state;
}

// Writes the checkpoint and the result, and shows it.
void finish(const PruneReport& report, const PruneArguments& arguments, const Checkpoint& checkpoint,
            const ExportOptions& output, TableFormat format, KeptRounds& kept_rounds, Progress& progress) {
  if (!arguments.out.empty()) {
    write_pruned_checkpoint(checkpoint, output, {model_card(report), to_json(report)}, progress);
  }
  write_json(arguments.results.json, to_json(report));
  kept_rounds.remove();
  if (arguments.results.json_to_output()) return;
  const std::string table = comparison_table(report).text(format);
  if (arguments.results.format) {
    write_output(table);
    if (!arguments.out.empty()) progress.note(fmt::format("written: {}", arguments.out));
    return;
  }
  print("removal list: {}\n\n{}", format_list(output.removal_list), table);
  if (!arguments.out.empty()) print("\nwritten: {}\n", arguments.out);
}

void run(const PruneArguments& arguments, KeptRounds& kept_rounds, Session& session, ProcessGroup* processes) {
  const auto start = std::chrono::steady_clock::now();
  const TableFormat format = table_format(arguments.results.table_format());
  const ModelSource source = find_model(arguments.model, ModelParts::all, session.progress);
  const Checkpoint checkpoint = open_model(source, session.progress);
  const ModelSpec& spec = checkpoint.spec();
  const SearchOptions options = search_options(arguments, spec.num_blocks);
  ExportOptions output = arguments.output;
  output.out = arguments.out;
  if (!arguments.out.empty() && !kept_rounds.may_be_finished()) {
    note_warnings(check(checkpoint, output), session.progress);
  }
  check_sequence_length(spec, arguments.calibration.options.seqlen, "--seqlen");
  check_sequence_length(spec, arguments.prompt_tokens, "--prompt-tokens");
  Texts texts = load_texts(checkpoint, arguments, session.progress);

  ComputeOptions compute_options = arguments.compute;
  kept_rounds.adopt(compute_options);
  share_machine(session.environment, processes, compute_options);
  const Compute compute = decide_compute(compute_options);
  const SearchToPlan to_plan{checkpoint,
                             compute,
                             options.greedy,
                             texts.calibration,
                             texts.held_out,
                             arguments.prompt_tokens,
                             memory_preferences(arguments, kept_rounds),
                             session.environment.local_size};
  const SearchMemory memory = plan_memory_together(to_plan, processes);
  if (arguments.dry_run) {
    if (leads(processes)) {
      show_dry_run({arguments.model, options.kind == SearchKind::race, arguments.results.json}, to_plan, memory);
    }
    return;
  }
  const Model model(checkpoint, compute, memory.choice.residency, session.progress);
  write_self_texts(model, {&texts.calibration, texts.held_out ? &*texts.held_out : nullptr}, processes,
                   session.progress);
  const PlanEvaluator evaluator(model, texts.calibration, memory.choice.state_memory, memory.choice.chunk_segments,
                                memory.host_states);
  note_beginning(arguments.model, model, texts.calibration, memory, session.progress);

  PruneReport report = begin_report(arguments, source, options, evaluator, session);
  if (kept_rounds.possible() || processes != nullptr) {
    report.fingerprint = fingerprint(arguments, options.greedy, evaluator, session.progress);
  }
  if (processes != nullptr) agree(*processes, report.fingerprint, texts.held_out);
  auto state = beginning(arguments, checkpoint, output, report.fingerprint, kept_rounds, session.progress, processes);
  if (!state) return;
  report.result = search(evaluator, options, std::move(*state), kept_rounds, session.progress);
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();

  output.removal_list = report.result.removal_list();
  compare(report, arguments, output, evaluator, texts.held_out, session.progress);
  if (leads(processes)) finish(report, arguments, checkpoint, output, format, kept_rounds, session.progress);
}

// Before any work: nothing that is read, or that nobody would want replaced, is written.
void guard_outputs(const PruneArguments& arguments, const OutputPlaces& places) {
  check_one_output(arguments.results);
  OutputGuard guard;
  guard.reads(place_of_model(arguments.model));
  if (arguments.calibration.reads_dataset()) guard.reads(place_of_text(arguments.calibration.dataset));
  guard.reads(arguments.calibration.tokens);
  if (!arguments.held_out.empty()) guard.reads(place_of_text(arguments.held_out));
  guard.writes_folder("--out", arguments.out);
  const bool again = places.resume && KeptRounds::is_result(arguments.results.json);
  guard.writes_file("--json", arguments.results.json, places.force || again);
  guard.keeps_file("finished rounds", KeptRounds::place(places));
  if (arguments.dry_run && arguments.results.format) {
    bad_input("-o {}: --dry-run makes no table; give --json FILE for its figures", *arguments.results.format);
  }
}

// A run that ends early says what became of its work.
void run_and_keep(PruneArguments arguments, Session& session, ProcessGroup* processes) {
  if (!leads(processes)) {  // it writes nothing
    arguments.out = arguments.results.json = "";
    arguments.prompt_tokens = 0;
    arguments.resume = arguments.output.force = false;
  }
  // torchrun starts all processes anew when one has died.
  OutputPlaces places{arguments.out, arguments.results.json, arguments.resume, arguments.output.force};
  if (session.environment.restarts > 0 && !KeptRounds::place(places).empty()) places.resume = true;
  guard_outputs(arguments, places);
  KeptRounds kept_rounds(places);
  const auto with_closing_message = [&](const std::string& what) {
    const std::string kept = kept_rounds.closing_message();
    return kept.empty() ? what : fmt::format("{}; {}", what, kept);
  };
  try {
    run(arguments, kept_rounds, session, processes);
  } catch (const OtherEnded& other) {
    throw OtherEnded(other.ending(), with_closing_message(other.what()));
  } catch (const Interrupted&) {
    const auto other = processes != nullptr ? processes->other_ended() : std::nullopt;
    if (other) throw OtherEnded(*other, with_closing_message(other->text()));
    if (kept_rounds.closing_message().empty()) throw;
    throw Interrupted(with_closing_message("stopped before the end"));
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::failed) throw;
    throw Error(ErrorKind::failed, with_closing_message(error.what()));
  } catch (const std::exception&) {
    throw Error(ErrorKind::failed, with_closing_message(current_failure().message));
  }
}

}  // namespace

void add_prune(CLI::App& app, Session& session) {
  auto* command = app.add_subcommand("prune", "Find the blocks that matter least, remove them, write the checkpoint");
  auto arguments = std::make_shared<PruneArguments>();
  add_prune_arguments(*command, *arguments);
  command->callback([arguments, &session] {
    run_in_processes(session, [&](Session& own, ProcessGroup* processes) { run_and_keep(*arguments, own, processes); });
  });
}

}  // namespace sleb::app
