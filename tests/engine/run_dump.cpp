// For test_scores.py and test_generation.py: run_dump MODEL DTYPE < JSON writes a JSON array to standard output.
//   {"removed": [[1, 3], ...], "groups": [[{"ids": [...], "scored": 2}, ...], ...]}
//     -> [list][group][sequence]: [log-likelihood, is greedy]
//   {"removed": [[1, 3], ...], "prompts": [[...], ...], "count": 64, "temperature": 0, "seed": 0, "stop": [...]}
//     -> [list][prompt]: the new ids, all prompts in one batch
// Both also take "device" (cpu) and "weights_memory" in bytes.
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>
#include <vector>

#include "sleb/base/error.h"
#include "sleb/base/progress.h"
#include "sleb/engine/sequences/generator.h"
#include "sleb/engine/sequences/sequence_scorer.h"

namespace {

using Json = nlohmann::json;

Json scores(const sleb::Model& model, const std::vector<sleb::Plan>& plans, const Json& input) {
  std::vector<sleb::SequenceGroup> groups;
  for (const Json& group : input) {
    groups.emplace_back();
    for (const Json& sequence : group) groups.back().push_back({sequence["ids"], sequence["scored"]});
  }
  Json result = Json::array();
  for (const auto& of_plan : score_sequences(model, plans, groups, {}, sleb::silent_progress())) {
    result.push_back(Json::array());
    for (const auto& of_group : of_plan) {
      result.back().push_back(Json::array());
      for (const auto& score : of_group) result.back().back().push_back({score.log_likelihood, score.is_greedy});
    }
  }
  return result;
}

Json generations(const sleb::Model& model, const std::vector<sleb::Plan>& plans, const Json& input) {
  const std::vector<std::vector<int64_t>> prompts = input["prompts"];
  size_t longest = 0;
  for (const auto& prompt : prompts) longest = std::max(longest, prompt.size());
  const sleb::GenerateOptions options{input["count"], input.value("temperature", 0.0), input.value("seed", uint64_t{0}),
                                      input.value("stop", std::vector<int64_t>())};
  Json result = Json::array();
  sleb::Generator generator(model, static_cast<int64_t>(prompts.size()), static_cast<int64_t>(longest),
                            options.max_new_tokens);
  for (const sleb::Plan& plan : plans) result.push_back(generator.generate(plan, prompts, options).ids);
  return result;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("usage: run_dump MODEL DTYPE < JSON\n", stderr);
    return 2;
  }
  try {
    const auto checkpoint = sleb::Checkpoint::open(argv[1]);
    const Json input = Json::parse(std::cin);
    const sleb::ComputeOptions compute{.device = input.value("device", std::string("cpu")),
                                       .dtype = argv[2],
                                       .weights_memory = input.value("weights_memory", uint64_t{0})};
    const sleb::Model model(checkpoint, compute, sleb::silent_progress());
    std::vector<sleb::Plan> plans;
    for (const std::vector<int64_t> removed : input["removed"]) plans.push_back(sleb::Plan::without_blocks(removed));
    const Json output =
        input.contains("groups") ? scores(model, plans, input["groups"]) : generations(model, plans, input);
    std::puts(output.dump().c_str());
    return 0;
  } catch (const sleb::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return error.kind() == sleb::ErrorKind::bad_input ? 2 : 1;
  }
}
