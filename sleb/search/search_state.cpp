#include "sleb/search/search_state.h"

#include <algorithm>
#include <fstream>

#include "sleb/base/error.h"
#include "sleb/base/file.h"

namespace sleb {
namespace fs = std::filesystem;
namespace {

constexpr int64_t format_version = 3;
constexpr std::string_view file_beginning = R"({"sleb_search_state":)";
constexpr int64_t largest_index = int64_t{1} << 31;
constexpr int64_t largest_count = int64_t{1} << 53;

std::optional<double> optional_number(const JsonView& json, const std::string& key) {
  return json.has(key) ? std::optional(json.at(key).number()) : std::nullopt;
}

PlanScore score_from_json(const JsonView& json) {
  return {.loss = json.at("loss").number(),
          .kl = json.at("kl").number(),
          .segments = json.at("segments").integer(0, largest_count),
          .tokens = json.at("tokens").integer(0, largest_count),
          .difference = json.at("difference").number(),
          .error = optional_number(json, "error")};
}

void add_score(OrderedJson& json, const PlanScore& score) {
  json.update({{"loss", score.loss},
               {"kl", score.kl},
               {"segments", score.segments},
               {"tokens", score.tokens},
               {"difference", score.difference}});
  if (score.error) json["error"] = *score.error;
}

UnitSet block_set_from_json(const JsonView& json) {
  UnitSet set;
  for (size_t i = 0; i < json.size(); ++i) set.push_back(json.at(i).integer(0, largest_index));
  return set;
}

GreedyStep step_from_json(const JsonView& json) {
  GreedyStep step{json.at("removed").integer(0, largest_index), json.at("loss").number(), {}, 0, 0};
  step.seconds = json.at("seconds").number();
  step.operations = json.at("operations").number();
  const JsonView candidates = json.at("candidates");
  for (size_t i = 0; i < candidates.size(); ++i) {
    const JsonView one = candidates.at(i);
    step.candidates.push_back({score_from_json(one), one.at("block").integer(0, largest_index)});
  }
  return step;
}

OrderedJson to_json(const GreedyStep& step) {
  OrderedJson candidates = OrderedJson::array();
  for (const Candidate& candidate : step.candidates) {
    candidates.push_back({{"block", candidate.unit}});
    add_score(candidates.back(), candidate);
  }
  return {{"removed", step.removed},
          {"loss", step.loss},
          {"candidates", candidates},
          {"seconds", step.seconds},
          {"operations", step.operations}};
}

SetRace race_from_json(const JsonView& json) {
  SetRace race{.step = json.at("step").string()};
  const JsonView candidates = json.at("candidates");
  for (size_t i = 0; i < candidates.size(); ++i) {
    const JsonView one = candidates.at(i);
    race.candidates.push_back({score_from_json(one), block_set_from_json(one.at("blocks"))});
  }
  race.best = static_cast<size_t>(json.at("best").integer(0, largest_count));
  race.seconds = json.at("seconds").number();
  race.operations = json.at("operations").number();
  return race;
}

OrderedJson to_json(const SetRace& race) {
  OrderedJson candidates = OrderedJson::array();
  for (const SetCandidate& candidate : race.candidates) {
    candidates.push_back({{"blocks", candidate.units}});
    add_score(candidates.back(), candidate);
  }
  return {{"step", race.step},
          {"candidates", candidates},
          {"best", race.best},
          {"seconds", race.seconds},
          {"operations", race.operations}};
}

std::vector<double> numbers(const JsonView& json) {
  std::vector<double> values;
  for (size_t i = 0; i < json.size(); ++i) values.push_back(json.at(i).number());
  return values;
}

void add_to(OrderedJson& json, const SearchState& state) {
  OrderedJson steps = OrderedJson::array(), round = OrderedJson::array();
  for (const GreedyStep& step : state.finished.steps) steps.push_back(to_json(step));
  for (const PlanLoss& loss : state.round) round.push_back({{"nll", loss.nll}, {"divergence", loss.divergence}});
  json["dense_loss"] = state.finished.dense_loss;
  json["steps"] = steps;
  if (!state.races.empty()) {
    json["races"] = OrderedJson::array();
    for (const SetRace& race : state.races) json["races"].push_back(to_json(race));
  }
  json["round"] = round;
  if (!state.callers.is_null()) json["callers"] = state.callers;
}

SearchState state_from_json(const JsonView& json) {
  SearchState state;
  state.finished.dense_loss = json.number_or("dense_loss", 0);
  const JsonView steps = json.at("steps");
  for (size_t i = 0; i < steps.size(); ++i) state.finished.steps.push_back(step_from_json(steps.at(i)));
  if (json.has("races")) {
    const JsonView races = json.at("races");
    for (size_t i = 0; i < races.size(); ++i) state.races.push_back(race_from_json(races.at(i)));
  }
  if (json.has("callers")) state.callers = json.at("callers").raw();
  const JsonView round = json.at("round");
  for (size_t i = 0; i < round.size(); ++i) {
    state.round.push_back({numbers(round.at(i).at("nll")), numbers(round.at(i).at("divergence"))});
  }
  return state;
}

}  // namespace

std::string Fingerprint::value(std::string_view name) const {
  const auto found = std::ranges::find(entries_, name, &std::pair<std::string, std::string>::first);
  return found == entries_.end() ? "" : found->second;
}

OrderedJson Fingerprint::json() const {
  OrderedJson json = OrderedJson::object();
  for (const auto& [name, value] : entries_) json[name] = value;
  return json;
}

Fingerprint Fingerprint::from_json(const JsonView& json) {
  if (!json.is_object()) json.fail("expected an object");
  Fingerprint fingerprint;
  for (const auto& [name, value] : json.raw().items()) fingerprint.add(name, json.at(name).string());
  return fingerprint;
}

void add_compute(Fingerprint& fingerprint, const Compute& compute) {
  fingerprint.add("--dtype", compute.dtype);
  fingerprint.add("--device", compute.device);
  const std::string arithmetic = arithmetic_of(compute);
  if (!arithmetic.empty()) fingerprint.add(gpu_arithmetic, arithmetic);
  fingerprint.add("--threads", std::to_string(compute.threads));
}

std::string Fingerprint::difference_to(const Fingerprint& now) const {
  std::string differences;
  for (const auto& [name, value] : now.entries_) {
    const std::string before = this->value(name);
    if (before == value) continue;
    differences += fmt::format("{}{} was {}, is {}", differences.empty() ? "" : "; ", name,
                               before.empty() ? "not recorded" : before, value);
  }
  for (const auto& [name, value] : entries_) {
    if (!now.value(name).empty()) continue;
    differences += fmt::format("{}{} was {}, is not given", differences.empty() ? "" : "; ", name, value);
  }
  return differences;
}

std::string text_of(const SearchState& state) {
  OrderedJson json;
  add_to(json, state);
  return json.dump();
}

SearchState search_state_of(const std::string& text, const std::string& label) {
  const Json document = parse_json(text, label);
  return state_from_json(JsonView(document, label));
}

bool is_saved_search(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  std::string beginning(4 * file_beginning.size(), '\0');  // blanks may stand between
  stream.read(beginning.data(), static_cast<std::streamsize>(beginning.size()));
  beginning.resize(static_cast<size_t>(stream.gcount()));
  std::erase_if(beginning, [](char c) { return c == ' ' || c == '\n'; });
  return std::string_view(beginning).substr(0, file_beginning.size()) ==
         file_beginning.substr(0, std::min(beginning.size(), file_beginning.size()));
}

std::optional<SavedSearch> load_search(const fs::path& file) {
  std::error_code ignored;
  if (!fs::exists(file, ignored)) return {};
  const Json document = parse_json(read_file(file), file.string());
  const JsonView json(document, file.string());
  if (json.at("sleb_search_state").integer() != format_version) {
    json.at("sleb_search_state").fail("written by another version of sleb; remove the file to begin anew");
  }
  return SavedSearch{Fingerprint::from_json(json.at("fingerprint")), state_from_json(json)};
}

void save_search(const fs::path& file, const SavedSearch& search) {
  OrderedJson json = {{"sleb_search_state", format_version}, {"fingerprint", search.fingerprint.json()}};
  add_to(json, search.state);
  write_file_atomically(file, json.dump() + "\n");
}

}  // namespace sleb
