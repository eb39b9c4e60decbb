#include "apps/sleb/commands/prune_beginning.h"

#include <fmt/ranges.h>

#include "apps/sleb/options/arguments.h"
#include "apps/sleb/terminal/streams.h"
#include "sleb/base/numbers.h"

namespace sleb::app {
namespace {

constexpr const char* gpu_arithmetic = "what computes";

// Where the search begins is rank 0's to know: it alone keeps finished rounds. Nothing: the result is there already.
std::optional<SearchState> agreed_begin(ProcessGroup& processes, const std::optional<SearchState>& own) {
  const std::string text = processes.broadcast(own ? text_of(*own) : "");
  if (text.empty()) return {};
  return search_state_of(text, "the state of the search from rank 0");
}

// The texts and tasks that the user asks for now and that the finished result lacks.
std::vector<std::string> not_evaluated(const PruneArguments& arguments, const OrderedJson& result) {
  std::vector<std::string> wanted = arguments.eval_texts;
  if (arguments.eval_tasks.wanted()) {
    for (std::string& task : split_names(arguments.eval_tasks.names)) wanted.push_back(std::move(task));
  }
  const auto is_there = [&](const std::string& name) {
    const OrderedJson& evaluation = result.value("evaluation", OrderedJson::object());
    return evaluation.value("perplexity", OrderedJson::object()).contains(name) ||
           evaluation.value("results", OrderedJson::object()).contains(name);
  };
  std::erase_if(wanted, is_there);
  return wanted;
}

// What --resume finds done already.
void show_finished(const PruneArguments& arguments, const OrderedJson& result, Progress& progress) {
  write_json(arguments.results.json, result);
  const std::vector<std::string> missing = not_evaluated(arguments, result);
  if (!missing.empty()) {
    progress.note(fmt::format("warning: that run did not evaluate {}; sleb eval with its removal list does",
                              fmt::join(missing, ", ")));
  }
  const std::string where = arguments.out.empty() ? arguments.results.json : arguments.out;
  if (arguments.results.json_to_output() || arguments.results.format) {
    progress.note(fmt::format("finished already: {}", where));
  } else {
    print("removal list: {}\n\nfinished already: {}\n",
          format_list(result.at("removal_list").get<std::vector<int64_t>>()), where);
  }
}

}  // namespace

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

void agree(ProcessGroup& processes, const Fingerprint& fingerprint) {
  const OrderedJson json = fingerprint.json();
  for (const auto& [name, value] : json.items()) {
    const bool may_differ = name == "--threads" || name == "--device" || name == gpu_arithmetic;
    if (!may_differ) processes.agree(name, value.get<std::string>());
  }
}

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

}  // namespace sleb::app
