#include "apps/sleb/commands/prune/prune_beginning.h"

#include <fmt/ranges.h>

#include "apps/sleb/commands/prune/prune_closing.h"
#include "apps/sleb/options/arguments.h"
#include "apps/sleb/options/report_file.h"
#include "apps/sleb/terminal/streams.h"
#include "sleb/base/error.h"
#include "sleb/base/numbers.h"
#include "sleb/engine/plans/recorded_removals.h"
#include "sleb/export/output_folder.h"
#include "sleb/export/written_checkpoint.h"

namespace sleb::app {
namespace {

// Where the search begins is rank 0's to know: it alone keeps finished rounds. Nothing: the result is there already.
std::optional<SearchState> agreed_begin(ProcessGroup& processes, const std::optional<SearchState>& own) {
  const std::string text = processes.broadcast(own ? text_of(*own) : "");
  if (text.empty()) return {};
  return search_state_of(text, "the state of the search from rank 0");
}

// The whole number that the finished result holds there.
std::optional<int64_t> number_at(const OrderedJson& result, const OrderedJson::json_pointer& place) {
  if (!result.contains(place) || !result.at(place).is_number_integer()) return {};
  return result.at(place).get<int64_t>();
}

// What the user asks for now and the finished result lacks, and what it has of other rows or segments.
struct Unevaluated {
  std::vector<std::string> missing;
  std::vector<std::string> otherwise;
};

Unevaluated not_evaluated(const EvaluationInputs& wanted, const OrderedJson& result) {
  Unevaluated lacks;
  const auto evaluation = OrderedJson::json_pointer() / "evaluation";
  for (const Corpus& text : wanted.texts) {
    const auto segments = number_at(result, evaluation / "perplexity_details" / text.name / "segments");
    if (!segments) {
      lacks.missing.push_back(text.name);
    } else if (*segments != text.segments) {
      lacks.otherwise.push_back(fmt::format("{} on {} segments, not {}", text.name, *segments, text.segments));
    }
  }
  for (const LoadedTask& task : wanted.tasks) {
    const std::string& name = task.task.name;
    const auto rows = number_at(result, evaluation / "n-samples" / name / "effective");
    const auto examples = number_at(result, evaluation / "n-shot" / name);
    const auto questions = static_cast<int64_t>(task.questions.size());
    if (!rows || !examples) {
      lacks.missing.push_back(name);
      continue;
    }
    if (*rows != questions) lacks.otherwise.push_back(fmt::format("{} on {} rows, not {}", name, *rows, questions));
    if (*examples != task.examples) {
      lacks.otherwise.push_back(fmt::format("{} with {} examples, not {}", name, *examples, task.examples));
    }
  }
  return lacks;
}

// The finished run may have written them, or not: a record does not say of which run it is.
std::vector<std::string> not_written(const PruneArguments& arguments) {
  std::vector<std::string> files;
  const std::string& samples = arguments.eval_tasks.log_samples;
  if (!samples.empty()) files.push_back(fmt::format("{} (--log-samples)", samples));
  if (arguments.record.wanted()) files.push_back(fmt::format("{} (the record)", arguments.record.path()));
  return files;
}

void warn_of_what_is_not_done(const PruneTask& task, const OrderedJson& result, Progress& progress) {
  const Unevaluated lacks = not_evaluated(task.evaluation, result);
  if (!lacks.missing.empty()) {
    progress.note(fmt::format("warning: that run did not evaluate {}; sleb eval with its removal list does",
                              fmt::join(lacks.missing, ", ")));
  }
  if (!lacks.otherwise.empty()) {
    progress.note(fmt::format("warning: that run evaluated {}; sleb eval with its removal list evaluates as asked now",
                              fmt::join(lacks.otherwise, "; ")));
  }
  const std::vector<std::string> files = not_written(task.arguments);
  if (!files.empty()) {
    progress.note(fmt::format("warning: nothing was run, so not written now: {}", fmt::join(files, ", ")));
  }
}

// Numbers and halves' names, as "5,4.mlp".
std::string written_list(const OrderedJson& result) {
  std::vector<std::string> entries;
  for (const OrderedJson& entry : result.at("removal_list")) {
    entries.push_back(entry.is_string() ? entry.get<std::string>() : entry.dump());
  }
  return fmt::format("{}", fmt::join(entries, ","));
}

// What --resume finds done already.
void show_finished(const PruneTask& task, const OrderedJson& result, Progress& progress) {
  const PruneArguments& arguments = task.arguments;
  write_recipe(arguments.recipe, result);
  write_json(arguments.results.json, result);
  write_report(arguments.report, result);
  warn_of_what_is_not_done(task, result, progress);
  const std::string where = arguments.out.empty() ? arguments.results.json : arguments.out;
  if (arguments.results.json_to_output() || arguments.results.format) {
    progress.note(fmt::format("finished already: {}", where));
  } else {
    print("removal list: {}\n\nfinished already: {}\n", written_list(result), where);
  }
}

// Whether the finished result's checkpoint is there as it would be written now. One that a kill left unfinished is, by
// the rounds beside it, this run's to replace. Throws Error(bad_input) for any other, as nothing says what became of
// it.
bool is_whole(const PruneTask& task, const OrderedJson& result, const KeptRounds& kept_rounds) {
  const std::string& out = task.arguments.out;
  if (out.empty()) return true;
  const std::string place = record_of(out).string();
  const Json json = parse_json(result.dump(), place);
  ExportOptions then = task.output;
  then.removal_list = removal_list_from(JsonView(json, place).at("removal_list"), task.checkpoint.spec().num_blocks);
  const std::string difference = difference_of_written(task.checkpoint, then);
  if (difference.empty()) return true;
  if (!kept_rounds.are_there()) {
    bad_input(
        "--resume: {} is finished, but not as it would be written now: {}; sleb {} {} --from {} --out ELSEWHERE writes "
        "it from the result, --force without --resume searches again",
        out, difference, task.output.repaired ? "repair" : "export", task.arguments.model, out);
  }
  if (is_gguf_output(out)) task.output.force = true;
  return false;
}

}  // namespace

Fingerprint fingerprint(const PruneArguments& arguments, const SearchOptions& options, const PlanEvaluator& evaluator,
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
  // Where a condition ends a search of blocks, its rounds are the same whatever the limit.
  const bool by_condition = arguments.until.any() && options.greedy.units == Units::block;
  fingerprint.add("--num-remove-blocks",
                  by_condition ? "what a condition allows" : std::to_string(options.greedy.num_remove_blocks));
  if (arguments.units != "block") fingerprint.add("--units", arguments.units);
  fingerprint.add("--early-barrier", std::to_string(options.greedy.early_barrier));
  fingerprint.add("--latter-barrier", std::to_string(options.greedy.latter_barrier));
  fingerprint.add("--search", arguments.search);
  if (arguments.search != "exact") fingerprint.add("--confidence", fmt::format("{}", options.confidence));
  if (arguments.search == "best") fingerprint.add("--search-budget", fmt::format("{}", options.budget));
  fingerprint.add("--criterion", std::string(name_of(options.greedy.criterion)));
  add_compute(fingerprint, model.compute());
  fingerprint.add(std::string(segments_at_a_time), std::to_string(evaluator.chunk_segments()));
  const ProcessGroup* processes = model.compute().processes;
  if (processes != nullptr) fingerprint.add("the number of processes", std::to_string(processes->size()));
  return fingerprint;
}

void agree(ProcessGroup& processes, const Fingerprint& fingerprint) {
  const OrderedJson json = fingerprint.json();
  for (const auto& [name, value] : json.items()) {
    const bool may_differ = name == "--threads" || name == "--device" || name == gpu_arithmetic;
    if (!may_differ) processes.agree(name, value.get<std::string>());
  }
}

std::optional<SearchState> beginning(const PruneTask& task, const Fingerprints& fingerprints, KeptRounds& kept_rounds,
                                     Progress& progress, ProcessGroup* processes) {
  auto result = kept_rounds.finished_result(fingerprints.result);
  if (result && !is_whole(task, *result, kept_rounds)) result.reset();
  std::optional<SearchState> state;
  if (!result) {
    if (kept_rounds.may_be_finished() && !task.arguments.out.empty()) {
      note_warnings(check(task.checkpoint, task.output), progress);
    }
    state = kept_rounds.begin(fingerprints.search, progress);
  }
  if (processes != nullptr) state = agreed_begin(*processes, state);
  if (result) {
    show_finished(task, *result, progress);
    kept_rounds.remove();
  }
  return state;
}

}  // namespace sleb::app
