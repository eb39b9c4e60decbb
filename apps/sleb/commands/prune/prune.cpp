// sleb prune: search, compare, write.

#include <fmt/core.h>

#include <chrono>

#include "apps/sleb/commands/commands.h"
#include "apps/sleb/commands/prune/choose_size.h"
#include "apps/sleb/commands/prune/dry_run.h"
#include "apps/sleb/commands/prune/kept_rounds.h"
#include "apps/sleb/commands/prune/prune_arguments.h"
#include "apps/sleb/commands/prune/prune_beginning.h"
#include "apps/sleb/commands/prune/prune_closing.h"
#include "apps/sleb/commands/prune/prune_repair.h"
#include "apps/sleb/commands/prune/prune_search.h"
#include "apps/sleb/commands/search_memory.h"
#include "apps/sleb/options/arguments.h"
#include "apps/sleb/options/many_processes.h"
#include "apps/sleb/options/report_file.h"
#include "apps/sleb/options/self_text.h"
#include "sleb/base/error.h"
#include "sleb/base/file.h"
#include "sleb/base/numbers.h"
#include "sleb/base/processor.h"
#include "sleb/base/stopwatch.h"
#include "sleb/datasets/dataset_files.h"
#include "sleb/export/output_folder.h"
#include "sleb/export/pruned_checkpoint.h"
#include "sleb/export/recipe.h"
#include "sleb/report/prune_report.h"
#include "sleb/search/search.h"

namespace sleb::app {
namespace {

void note_beginning(const std::string& name, const Model& model, const Corpus& corpus, const SearchMemory& memory,
                    Progress& progress) {
  progress.note(fmt::format("{}: {} blocks; {} segments of {} tokens; {}", name, model.spec().num_blocks,
                            corpus.segments, corpus.seqlen, how_computed(model.compute())));
  for (const Corpus& part : corpus.parts) progress.note(fmt::format("{} segments are of {}", part.segments, part.name));
  note_memory(memory, model.spec().num_blocks, progress);
  warn_of_long_segments(model.spec(), corpus.seqlen, progress);
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
    fewest = std::min<int64_t>(fewest, std::stoll(text));
  }
  if (fewest == memory.choice.chunk_segments) return memory;
  search.preferences.chunk_segments = std::max<int64_t>(1, fewest);
  return plan_memory(search);
}

struct Texts {
  Corpus calibration;
  EvaluationInputs evaluation;
  std::optional<Corpus> own_held_out;  // where a condition needs one, and --eval-ppl names none
  std::optional<RepairTask> repair;

  const Corpus* held_out(const SizeConditions& until) const {
    if (!until.read_text()) return nullptr;
    return own_held_out ? &*own_held_out : &evaluation.texts.front();
  }
};

EvaluationOptions evaluation_options(const PruneArguments& arguments) {
  EvaluationOptions options{.seqlen = arguments.calibration.options.seqlen};
  if (arguments.eval_segments > 0) options.segments = arguments.eval_segments;
  return options;
}

Texts load_inputs(const Checkpoint& checkpoint, const PruneArguments& arguments, const ExportOptions& output,
                  Progress& progress) {
  const std::string& bos = arguments.calibration.bos;
  if (arguments.calibration.reads_dataset() || !arguments.eval_texts.empty()) note_bos(checkpoint, bos, progress);
  Texts texts{load_calibration(checkpoint, arguments.calibration, progress), {}, {}, {}};
  EvaluationOptions options = evaluation_options(arguments);
  if (!arguments.eval_texts.empty()) options.bos = bos_for(checkpoint, bos);
  const TextOption named{"--eval-ppl", arguments.calibration.options.seed};
  texts.evaluation.texts = load_texts(named, arguments.eval_texts, checkpoint, options, progress);
  texts.own_held_out = load_held_out(checkpoint, arguments, options, progress);
  texts.evaluation.tasks = load_tasks(arguments.eval_tasks, checkpoint, progress);
  texts.repair = load_repair(arguments, checkpoint, output, progress);
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
  report.processor = processor_name();
  report.search = arguments.search;
  if (options.kind != SearchKind::exact) report.confidence = options.confidence;
  if (options.kind == SearchKind::best) report.budget = options.budget;
  report.criterion = options.greedy.criterion;
  report.early_barrier = options.greedy.early_barrier;
  report.latter_barrier = options.greedy.latter_barrier;
  return report;
}

// Who searches, on what, and where the result goes.
struct Run {
  const PruneArguments& arguments;
  const ModelSource& source;
  const Checkpoint& checkpoint;
  const SearchOptions& options;
  const SearchMemory& memory;
  ExportOptions& output;  // gets the removal list
  KeptRounds& kept_rounds;
  Session& session;
  ProcessGroup* processes;
  std::chrono::steady_clock::time_point start;
  std::vector<DenseStates>* dense_states;  // of the texts to evaluate on, to be filled; nullptr: nobody wants them
};

// The search, and dense beside pruned. Nothing: an earlier run has finished, and the user was told.
std::optional<PruneReport> search_and_compare(const Run& run, const Model& model, Texts& texts) {
  const auto& [arguments, source, checkpoint, options, memory, output, kept_rounds, session, processes, start,
               dense_states] = run;
  const PlanEvaluator evaluator(model, texts.calibration, memory.choice.state_memory, memory.choice.chunk_segments,
                                memory.host_states);
  check_ids(model, texts.evaluation);
  const Corpus* held_out = texts.held_out(arguments.until);
  note_beginning(arguments.model, model, texts.calibration, memory, session.progress);

  PruneReport report = begin_report(arguments, source, options, evaluator, session);
  Fingerprint search_fingerprint;
  if (kept_rounds.possible() || processes != nullptr) {
    search_fingerprint = fingerprint(arguments, options, evaluator, session.progress);
    report.fingerprint = search_fingerprint;
    add_to(report.fingerprint, options, arguments.until, held_out);
    if (texts.repair) add_to(report.fingerprint, *texts.repair);
  }
  if (processes != nullptr) {
    agree(*processes, search_fingerprint);
    agree(*processes, texts.evaluation);
    if (held_out != nullptr) processes->agree("the held-out text's ids", held_out->ids_sha256);
  }
  auto state = beginning({arguments, checkpoint, output, texts.evaluation}, {search_fingerprint, report.fingerprint},
                         kept_rounds, session.progress, processes);
  if (!state) return {};
  std::optional<SizeChooser> chooser;
  if (arguments.until.any()) {
    const SizeChooser::Ground ground{model,
                                     held_out,
                                     evaluator.chunk_segments(),
                                     arguments.speed_up_tokens,
                                     options.greedy.units,
                                     scratch_folder(output)};
    chooser.emplace(arguments.until, ground, session.progress);
  }
  report.result =
      search(evaluator, options, std::move(*state), chooser ? &*chooser : nullptr, kept_rounds, session.progress);
  if (chooser) {
    report.size = chooser->choose(report.result.greedy);
    report.speed = report.size->sets[report.size->chosen].speed;
  }
  report.seconds = seconds_since(start);
  output.removal_list = report.result.removal_list();
  const EvaluationRun evaluation{arguments.eval_tasks, evaluator.chunk_segments(), dense_states,
                                 scratch_folder(output)};
  compare(report, arguments, output, model, std::move(texts.evaluation), evaluation, session.progress);
  return report;
}

void run(const PruneArguments& arguments, KeptRounds& kept_rounds, Session& session, ProcessGroup* processes) {
  const auto start = std::chrono::steady_clock::now();
  const TableFormat format = table_format(arguments.results.table_format());
  check_calibration(arguments.calibration);
  check_repair(arguments);
  check_conditions(arguments);
  check_texts("--eval-ppl", arguments.eval_texts, evaluation_options(arguments));
  if (arguments.eval_segments > 0 && arguments.eval_texts.empty() && !arguments.until.read_text())
    bad_input("--eval-segments needs --eval-ppl");
  check_tasks(arguments.eval_tasks);
  ExportOptions output = arguments.output;
  output.out = arguments.out;
  output.repaired = arguments.repair;
  const bool writes_out = !arguments.out.empty() && !kept_rounds.may_be_finished();
  if (writes_out) check_output(output);
  check_compute(arguments.compute);
  const ModelSource source = find_model(arguments.model, ModelParts::all, session.progress);
  Checkpoint checkpoint = open_model(source, session.progress);
  const ModelSpec& spec = checkpoint.spec();
  const SearchOptions options = search_options(arguments, spec);
  output.halves = options.greedy.units == Units::half;
  if (writes_out) {
    note_warnings(check(checkpoint, output), session.progress);
  }
  check_sequence_length(spec, arguments.calibration.options.seqlen, "--seqlen");
  check_sequence_length(spec, arguments.prompt_tokens, "--prompt-tokens");
  Texts texts = load_inputs(checkpoint, arguments, output, session.progress);

  ComputeOptions compute_options = arguments.compute;
  kept_rounds.adopt(compute_options);
  share_machine(session.environment, processes, compute_options);
  const Compute compute = decide_compute(compute_options);
  const SearchToPlan to_plan{checkpoint,
                             compute,
                             options.greedy,
                             texts.calibration,
                             texts.evaluation,
                             arguments.prompt_tokens,
                             memory_preferences(arguments, kept_rounds),
                             session.environment.local_size};
  const SearchMemory memory = plan_memory_together(to_plan, processes);
  std::optional<PlannedRepair> planned_repair;
  if (texts.repair) planned_repair = plan_repair(*texts.repair, checkpoint, compute, arguments);
  if (arguments.dry_run) {
    if (leads(processes)) {
      show_dry_run({arguments.model, options.kind, options.budget, arguments.results.json, arguments.until.any(),
                    texts.held_out(arguments.until)},
                   to_plan, memory, planned_repair ? &*planned_repair : nullptr);
    }
    return;
  }
  std::vector<DenseStates> dense_states;
  std::optional<FinishedRepair> repaired;  // what it holds is a part of the checkpoint, and so of a model's
  std::optional<Model> model(std::in_place, checkpoint, compute, memory.choice.residency, session.progress);
  fill_self_text(*model, texts.calibration, processes, session.progress);
  if (texts.own_held_out) fill_self_text(*model, *texts.own_held_out, processes, session.progress);
  for (Corpus& text : texts.evaluation.texts) fill_self_text(*model, text, processes, session.progress);
  auto report = search_and_compare({arguments, source, checkpoint, options, memory, output, kept_rounds, session,
                                    processes, start, planned_repair ? &dense_states : nullptr},
                                   *model, texts);
  if (!report) return;
  if (planned_repair) {
    note_memory(planned_repair->memory, "repair", session.progress);
    const LoadedModel loaded{checkpoint, compute, memory.choice.residency, model};
    repaired = repair_pruned(loaded, *planned_repair, output, session.progress);
    if (repaired) {
      model.reset();
      repaired->repair.apply_to(checkpoint);
      evaluate_repair(*report, loaded, repaired->summary, texts.calibration,
                      {arguments.eval_tasks, memory.choice.chunk_segments, &dense_states}, session.progress);
    }
  }
  note_peak(compute, session.progress);
  if (leads(processes)) finish(*report, arguments, checkpoint, output, format, kept_rounds, session.progress);
}

// What an earlier run wrote there --resume may write again.
bool is_recipe_file(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_regular_file(path, ignored) && is_recipe(read_file(path));
}

// Before any work: nothing that is read, or that nobody would want replaced, is written.
void guard_outputs(const Session& session, const PruneArguments& arguments, const OutputPlaces& places) {
  check_one_output(arguments.results);
  if (!arguments.report.empty()) check_report_file("--report", arguments.report);
  OutputGuard guard(session);
  guard.reads(place_of_model(arguments.model));
  if (arguments.calibration.reads_dataset()) {
    for (const std::string& text : arguments.calibration.texts()) guard.reads(place_of_text(text_of(text)));
  }
  guard.reads(arguments.calibration.tokens);
  guard.reads(arguments.eval_tasks.tasks_file);
  for (const auto& place : places_of_rows(arguments.eval_tasks)) guard.reads(place);
  for (const std::string& text : arguments.eval_texts) guard.reads(place_of_text(text));
  for (const std::string& text : arguments.repair_text.datasets) guard.reads(place_of_text(text));
  const bool is_gguf_again =
      places.resume && is_gguf_output(arguments.out) && KeptRounds::is_result(record_of(arguments.out));
  guard.writes_checkpoint("--out", arguments.out, places.force || is_gguf_again);
  const bool again = places.resume && KeptRounds::is_result(arguments.results.json);
  guard.writes_file("--json", arguments.results.json, places.force || again);
  const std::string& samples = arguments.eval_tasks.log_samples;
  guard.writes_file("--log-samples", samples, places.force || (places.resume && are_samples(samples)));
  guard.writes_file("--recipe", arguments.recipe, places.force || (places.resume && is_recipe_file(arguments.recipe)));
  guard.writes_file("--report", arguments.report, places.force || (places.resume && is_report(arguments.report)));
  guard_record(guard, arguments.record);
  guard.keeps_file("finished rounds", KeptRounds::place(places));
  if (arguments.dry_run && arguments.results.format) {
    bad_input("-o {}: --dry-run makes no table; give --json FILE for its figures", *arguments.results.format);
  }
}

// A run that ends early says what became of its work.
void run_and_keep(PruneArguments arguments, Session& session, ProcessGroup* processes) {
  arguments.speed_up_tokens = arguments.prompt_tokens;
  if (!leads(processes)) {  // it writes nothing
    arguments.out = arguments.results.json = arguments.recipe = arguments.report = arguments.eval_tasks.log_samples =
        "";
    arguments.record = {};
    arguments.prompt_tokens = 0;
    arguments.resume = arguments.output.force = false;
  }
  // torchrun starts all processes anew when one has died.
  OutputPlaces places{arguments.out, arguments.results.json, arguments.resume, arguments.output.force};
  if (session.environment.restarts > 0 && !KeptRounds::place(places).empty()) places.resume = true;
  check_search(arguments);
  guard_outputs(session, arguments, places);
  KeptRounds kept_rounds(places);
  const auto with = [](const std::string& what, const std::string& kept) {
    return kept.empty() ? what : fmt::format("{}; {}", what, kept);
  };
  const auto with_closing_message = [&](const std::string& what) { return with(what, kept_rounds.closing_message()); };
  try {
    run(arguments, kept_rounds, session, processes);
  } catch (const OtherEnded& other) {
    throw OtherEnded(other.ending(), with_closing_message(other.what()));
  } catch (const Interrupted&) {
    const auto other = processes != nullptr ? processes->other_ended() : std::nullopt;
    if (other) throw OtherEnded(*other, with_closing_message(other->text()));
    if (kept_rounds.closing_message().empty()) throw;
    throw Interrupted(with_closing_message("stopped before the end"));
  } catch (const ConditionNotMet& error) {
    throw ConditionNotMet(with(error.what(), kept_rounds.closing_message("--resume with other conditions goes on")));
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
    if (arguments->repair) check_alone(session, "prune --repair");
    run_in_processes(session, [&](Session& own, ProcessGroup* processes) { run_and_keep(*arguments, own, processes); });
  });
}

}  // namespace sleb::app
