#include "apps/sleb/commands/prune/choose_size.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "apps/sleb/commands/prune/prune_closing.h"
#include "apps/sleb/options/many_processes.h"
#include "apps/sleb/options/texts.h"
#include "sleb/datasets/dataset_name.h"
#include "sleb/engine/processes/process_group.h"
#include "sleb/eval/perplexity.h"
#include "sleb/report/dataset_report.h"

namespace sleb::app {
namespace {

constexpr int64_t held_out_tokens = 32768;

// The options as the user gave them.
std::string conditions_text(const SizeConditions& conditions) {
  std::vector<std::string> words;
  if (conditions.perplexity) words.push_back(fmt::format("--until-perplexity {}", *conditions.perplexity));
  if (conditions.kl) words.push_back(fmt::format("--until-kl {}", *conditions.kl));
  if (conditions.speed_up) words.push_back(fmt::format("--speed-up {}", *conditions.speed_up));
  return fmt::format("{}", fmt::join(words, " "));
}

std::string limit_of_text(const SizeConditions& conditions) {
  return conditions_text(SizeConditions{.perplexity = conditions.perplexity, .kl = conditions.kl});
}

std::optional<std::string> why_not_held_out(const CalibrationArguments& calibration) {
  if (!calibration.reads_dataset()) return "ready ids (--tokens) have no held-out part";
  if (calibration.texts().size() > 1) return "of several calibration texts none is the one to judge by";
  const std::string text = text_of(calibration.texts()[0]);
  if (text == "self" || text.starts_with("self:")) return {};
  std::error_code ignored;
  const auto to_calibrate = parse_dataset_name(text, TextPurpose::calibrate);
  if (std::filesystem::exists(text, ignored) || !to_calibrate) return text + " is a file without a held-out part";
  const auto to_evaluate = parse_dataset_name(text, TextPurpose::evaluate);
  if (to_calibrate->splits == to_evaluate->splits && to_calibrate->files == to_evaluate->files) {
    return text + " names the split that is calibrated on";
  }
  return {};
}

bool needs_own_text(const PruneArguments& arguments) {
  return arguments.until.read_text() && arguments.eval_texts.empty();
}

std::string own_text(const PruneArguments& arguments) {
  const std::string text = text_of(arguments.calibration.texts()[0]);
  return text.starts_with("self:") ? "self" : text;
}

RemovalList removed_in(const GreedyResult& result, size_t rounds, Units units) {
  RemovalList list = result.removal_list(units);
  list.erase(list.begin() + static_cast<ptrdiff_t>(rounds), list.end());
  return list;
}

std::optional<double> optional_number(const JsonView& json, const std::string& key) {
  return json.has(key) ? std::optional(json.at(key).number()) : std::nullopt;
}

Json json_of(const Estimate& estimate) {
  Json json = {{"value", estimate.value}};
  if (estimate.error) json["error"] = *estimate.error;
  return json;
}

Estimate estimate_from(const JsonView& json) {
  return {json.at("value").number(), optional_number(json, "error")};
}

Json json_of(const SetFigures& set) {
  Json json = {{"removal_list", sleb::text_of(set.removal_list)}};
  if (set.held_out) {
    json["perplexity"] = set.held_out->perplexity;
    json["ratio"] = json_of(set.held_out->ratio);
    json["kl"] = json_of(set.held_out->kl);
  }
  if (set.speed) json["speed"] = {{"dense", set.speed->dense}, {"pruned", set.speed->pruned}};
  return json;
}

}  // namespace

void check_conditions(const PruneArguments& arguments) {
  const SizeConditions& until = arguments.until;
  if (!until.any()) return;
  if (arguments.search == "best") {
    bad_input(
        "{}: --search best looks for better sets of one size; find that with --search race, and give it as "
        "--num-remove-blocks",
        conditions_text(until));
  }
  if (until.speed_up && arguments.speed_up_tokens == 0) {
    bad_input("--speed-up {}: --prompt-tokens 0 leaves out the speed test that measures it", *until.speed_up);
  }
  if (!needs_own_text(arguments)) return;
  if (const auto why = why_not_held_out(arguments.calibration)) {
    bad_input("{}: {}; name a text that the search does not see with --eval-ppl", limit_of_text(until), *why);
  }
}

std::optional<Corpus> load_held_out(const Checkpoint& checkpoint, const PruneArguments& arguments,
                                    const EvaluationOptions& options, Progress& progress) {
  if (!needs_own_text(arguments)) return {};
  EvaluationOptions whole = options;
  const int64_t usual = std::max<int64_t>(1, held_out_tokens / options.seqlen);
  const std::string name = own_text(arguments);
  if (name == "self" && !whole.segments) whole.segments = usual;
  whole.bos = bos_for(checkpoint, arguments.calibration.bos);
  Corpus text =
      load_evaluation("--dataset", name, arguments.calibration.options.seed, checkpoint.tokenizer(), whole, progress);
  if (!options.segments && text.segments > usual) {
    text.segments = usual;
    text.ids.resize(static_cast<size_t>(usual * text.seqlen));
  }
  return text;
}

void add_to(Fingerprint& fingerprint, const SearchOptions& options, const SizeConditions& conditions,
            const Corpus* held_out) {
  if (!conditions.any()) return;
  fingerprint.add("the conditions", conditions_text(conditions));
  fingerprint.add("the most rounds", std::to_string(options.greedy.rounds()));
  if (held_out == nullptr) return;
  fingerprint.add("the held-out text's ids", held_out->ids_sha256);
  fingerprint.add("the number of held-out segments", std::to_string(held_out->segments));
}

SizeChooser::SizeChooser(const SizeConditions& conditions, const Ground& ground, Progress& progress)
    : ground_(ground), progress_(progress), choice_{.conditions = conditions} {
  if (ground.held_out == nullptr) return;
  evaluator_.emplace(ground.model, *ground.held_out, 0, ground.chunk_segments);
  choice_.held_out = *ground.held_out;
  choice_.held_out->ids.clear();
  progress.note(fmt::format("held out: {}, {} segments of {} tokens",
                            in_words(ground.held_out->name, ground.held_out->origin), ground.held_out->segments,
                            ground.held_out->seqlen));
}

void SizeChooser::adopt(const Json& kept) {
  if (kept.is_null()) return;
  const JsonView json(kept, "figures of the finished rounds");
  const Json now = this->kept();
  const bool same_text = evaluator_ && json.has("text") && json.at("text").raw() == now.at("text");
  const bool same_prompt = json.at("prompt_tokens").raw() == now.at("prompt_tokens");
  if (same_text) choice_.dense_perplexity = json.at("dense_perplexity").number();
  const JsonView sets = json.at("sets");
  for (size_t i = 0; i < sets.size(); ++i) {
    const JsonView one = sets.at(i);
    SetFigures set{.removal_list = parse_removal_list(one.at("removal_list").string())};
    if (same_text && one.has("kl")) {
      set.held_out = {one.at("perplexity").number(), estimate_from(one.at("ratio")), estimate_from(one.at("kl"))};
    }
    if (same_prompt && one.has("speed")) {
      const JsonView speed = one.at("speed");
      set.speed = {ground_.prompt_tokens, speed.at("dense").number(), speed.at("pruned").number()};
    }
    choice_.sets.push_back(std::move(set));
  }
}

Json SizeChooser::kept() const {
  Json json = {{"prompt_tokens", ground_.prompt_tokens}, {"sets", Json::array()}};
  if (choice_.held_out) {
    json["text"] = {{"ids_sha256", choice_.held_out->ids_sha256},
                    {"segments", choice_.held_out->segments},
                    {"seqlen", choice_.held_out->seqlen}};
    json["dense_perplexity"] = choice_.dense_perplexity;
  }
  for (const SetFigures& set : choice_.sets) json["sets"].push_back(json_of(set));
  return json;
}

bool SizeChooser::may_go_on(const GreedyResult& so_far) {
  for (size_t rounds = 1; rounds <= so_far.steps.size(); ++rounds) {
    if (judge(so_far, rounds) != Verdict::goes_on) return false;
  }
  return true;
}

SizeChooser::Verdict SizeChooser::judge(const GreedyResult& so_far, size_t rounds) {
  const RemovalList removed = removed_in(so_far, rounds, ground_.units);
  const bool is_kept = rounds <= choice_.sets.size() && choice_.sets[rounds - 1].removal_list == removed;
  if (!is_kept) {
    choice_.sets.resize(rounds - 1);
    choice_.sets.push_back({.removal_list = removed});
  }
  SetFigures& set = choice_.sets[rounds - 1];
  bool is_new = false;
  if (evaluator_ && !set.held_out) {
    set.held_out = evaluate(removed);
    is_new = true;
  }
  const bool is_kept_within = is_within(set, choice_.conditions);
  if (is_kept_within && !set.speed && may_be_fast_enough(removed)) {
    set.speed = measure(removed);
    is_new = true;
  }
  if (is_new) progress_.note("  " + in_words(set, choice_));
  if (!is_kept_within) return Verdict::is_too_much;
  const bool wants_speed = choice_.conditions.speed_up.has_value();
  return wants_speed && is_fast_enough(set, choice_.conditions) ? Verdict::is_enough : Verdict::goes_on;
}

HeldOutFigures SizeChooser::evaluate(const RemovalList& removed) {
  const Plan plan = plan_without(removed);
  // Each of many processes would have the dense model's states of its own chunks alone.
  if (ground_.model.compute().processes != nullptr) {
    const CorpusPerplexity both = evaluate_perplexity(*evaluator_, {&plan, 1}, progress_);
    choice_.dense_perplexity = both.rows[0].perplexity.value;
    return held_out_figures(both.rows[1]);
  }
  if (!dense_) {
    dense_states_.emplace(ground_.model, *ground_.held_out, ground_.scratch);
    CorpusPerplexity dense = evaluate_perplexity(*evaluator_, {}, progress_, &*dense_states_);
    choice_.dense_perplexity = dense.rows[0].perplexity.value;
    dense_ = std::move(dense.dense);
  }
  const PlanLoss loss = evaluate_alone(*evaluator_, plan, progress_, &*dense_states_);
  return held_out_figures(perplexity_row(loss, *dense_, ground_.held_out->scored()));
}

// One process measures, while the others wait.
PromptSpeed SizeChooser::measure(const RemovalList& removed) {
  ProcessGroup* processes = ground_.model.compute().processes;
  PromptSpeed speed{ground_.prompt_tokens, 0, 0};
  if (leads(processes)) {
    speed = measure_prompt_speed(ground_.model, plan_without(removed), ground_.prompt_tokens, progress_);
  }
  if (processes == nullptr) return speed;
  const Json told = parse_json(processes->broadcast(Json{speed.dense, speed.pruned}.dump()), "the speed from rank 0");
  return {ground_.prompt_tokens, told.at(0).get<double>(), told.at(1).get<double>()};
}

// Were the blocks all that takes time, as much faster as there are fewer of them.
bool SizeChooser::may_be_fast_enough(const RemovalList& removed) const {
  if (!choice_.conditions.speed_up) return false;
  const auto blocks = static_cast<double>(ground_.model.spec().num_blocks);
  return blocks >= *choice_.conditions.speed_up * (blocks - blocks_in(removed));
}

SizeChoice SizeChooser::choose(GreedyResult& result) {
  size_t rounds = 0;  // that may go
  Verdict verdict = Verdict::goes_on;
  while (verdict == Verdict::goes_on && rounds < result.steps.size()) {
    verdict = judge(result, rounds + 1);
    if (verdict != Verdict::is_too_much) ++rounds;
  }
  const bool too_slow = choice_.conditions.speed_up && verdict != Verdict::is_enough;
  if (rounds == 0 || too_slow) fail(rounds, verdict == Verdict::is_too_much);
  choice_.chosen = rounds - 1;
  choice_.sets.resize(rounds + (verdict == Verdict::is_too_much ? 1 : 0));
  result.steps.erase(result.steps.begin() + static_cast<ptrdiff_t>(rounds), result.steps.end());
  return choice_;
}

void SizeChooser::fail(size_t rounds, bool too_much) const {
  const auto said = [&](size_t set) {
    const SetFigures& figures = choice_.sets.at(set);
    const std::string words = in_words(figures, choice_);
    return fmt::format("without {}: {}", sleb::text_of(figures.removal_list),
                       words.empty() ? "not measured, as so few blocks can't be fast enough" : words);
  };
  const std::string limit = limit_of_text(choice_.conditions);
  if (rounds == 0)
    throw ConditionNotMet(fmt::format("{}; {} allows less, so no block goes and nothing is written", said(0), limit));
  const std::string why =
      too_much ? fmt::format("{}, and {} allows less", said(rounds), limit) : std::string("and no more blocks may go");
  throw ConditionNotMet(fmt::format("{}; --speed-up {} wants more; {}; nothing is written", said(rounds - 1),
                                    *choice_.conditions.speed_up, why));
}

}  // namespace sleb::app
