// The numbers of a page as JSON.

#include <algorithm>

#include "sleb/base/json.h"
#include "sleb/report/page/page.h"

namespace sleb::page {
namespace {

using result::PruneResult;

OrderedJson map_json(const PruneResult& result) {
  OrderedJson rounds = OrderedJson::array();
  for (size_t i = 0; i < result.rounds.size(); ++i) {
    OrderedJson cells = OrderedJson::array();
    for (size_t k = 0; k < result.rounds[i].candidates.size(); ++k) {
      const result::Candidate& candidate = result.rounds[i].candidates[k];
      const result::Score& score = candidate.score;
      cells.push_back({{"block", candidate.removal},
                       {"loss", score.loss},
                       {"kl", score.kl},
                       {"added_loss", added_cost(result, i, k, Cost::loss)},
                       {"added_kl", added_cost(result, i, k, Cost::kl)},
                       {"difference", score.difference.value},
                       {"difference_stderr", or_null(score.difference.error)},
                       {"tokens", score.tokens},
                       {"near_tie", k != result.rounds[i].winner && result::is_near_tie(score)},
                       {"dropped_early", result::is_dropped_early(score, result)}});
    }
    rounds.push_back({{"removed", result.rounds[i].removed}, {"cells", std::move(cells)}});
  }
  return rounds;
}

OrderedJson path_json(const PruneResult& result) {
  OrderedJson points = OrderedJson::array();
  for (const result::PathPoint& point : result::path_of(result)) {
    points.push_back({{"blocks", point.blocks},
                      {"removal_list", point.removed},
                      {"loss", point.loss},
                      {"per_token", point.per_token},
                      {"perplexity", point.perplexity},
                      {"kl", point.kl}});
  }
  return points;
}

OrderedJson evaluation_json(const PruneResult& result) {
  OrderedJson json = {{"perplexity", OrderedJson::array()}, {"tasks", OrderedJson::array()}};
  for (const auto& text : result.texts) {
    for (const auto& row : text.rows) {
      json["perplexity"].push_back({{"text", text.text},
                                    {"model", name_of(row.model)},
                                    {"perplexity", row.perplexity.value},
                                    {"perplexity_stderr", or_null(row.perplexity.error)}});
    }
  }
  for (const auto& task : result.tasks) {
    for (const auto& row : task.rows) {
      json["tasks"].push_back({{"task", task.task},
                               {"metric", task.metric},
                               {"model", name_of(row.model)},
                               {"value", row.value.value},
                               {"stderr", or_null(row.value.error)}});
    }
  }
  return json;
}

}  // namespace

OrderedJson numbers_of(std::span<const NamedResult> results) {
  OrderedJson json = {{"results", OrderedJson::array()}};
  for (const NamedResult& one : results) {
    const PruneResult& result = *one.result;
    const auto path = result::path_of(result);
    const auto knee = result::knee_of(path);
    OrderedJson record = {{"name", one.name},
                          {"sentence", in_a_sentence(result)},
                          {"model", result.model},
                          {"num_blocks", result.num_blocks},
                          {"search", result.search},
                          {"criterion", result.criterion},
                          {"removal_list", result.removal_list},
                          {"path", path_json(result)},
                          {"knee", knee ? OrderedJson(path[*knee].blocks) : OrderedJson()},
                          {"map", map_json(result)}};
    record.update(evaluation_json(result));
    record["seconds"] = result.seconds;
    json["results"].push_back(std::move(record));
  }
  return json;
}

}  // namespace sleb::page
