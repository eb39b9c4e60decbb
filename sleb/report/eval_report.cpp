#include "sleb/report/eval_report.h"

#include <fmt/core.h>

#include "sleb/base/error.h"
#include "sleb/base/json.h"
#include "sleb/base/numbers.h"
#include "sleb/corpus/self_text_cache.h"
#include "sleb/report/dataset_report.h"

namespace sleb {
namespace {

// {"dense": value}, with one removal list {"dense": value, "pruned": value}, with several {..., "pruned": [values]};
// of a repaired model also "repaired".
OrderedJson values(const std::vector<PerplexityRow>& rows, bool repaired) {
  OrderedJson json = {{"dense", rows[0].perplexity.value}};
  OrderedJson pruned = OrderedJson::array();
  for (size_t i = 1; i + (repaired ? 1 : 0) < rows.size(); ++i) pruned.push_back(rows[i].perplexity.value);
  if (pruned.size() == 1) json["pruned"] = pruned[0];
  if (pruned.size() > 1) json["pruned"] = pruned;
  if (repaired) json["repaired"] = rows.back().perplexity.value;
  return json;
}

OrderedJson to_json(const PerplexityRow& row, const RemovalList& removal_list, bool repaired) {
  OrderedJson json = {{"removal_list", removal_list}};
  if (repaired) json["repaired"] = true;
  json["perplexity"] = row.perplexity.value;
  json["perplexity_stderr"] = or_null(row.perplexity.error);
  if (removal_list.empty()) return json;
  json["difference"] = row.difference.value;
  json["difference_stderr"] = or_null(row.difference.error);
  json["divergence"] = row.divergence.value;
  json["divergence_stderr"] = or_null(row.divergence.error);
  return json;
}

bool is_repaired(const EvalReport& report, size_t row) {
  return report.repaired && row == report.removal_lists.size();
}

OrderedJson details(const TextPerplexity& perplexity, const EvalReport& report) {
  const Corpus& text = perplexity.text;
  OrderedJson rows = OrderedJson::array();
  for (size_t i = 0; i < perplexity.result.rows.size(); ++i) {
    rows.push_back(to_json(perplexity.result.rows[i], i == 0 ? RemovalList() : report.removal_lists[i - 1],
                           is_repaired(report, i)));
  }
  OrderedJson json = {{"protocol", name_of(report.protocol)}};
  add_source(json, text.origin);
  json.update({{"tokens", text.total_tokens},
               {"segments", text.segments},
               {"seqlen", text.seqlen},
               {"first_scored", text.first_scored},
               {"ids_sha256", text.ids_sha256},
               {"rows", rows},
               {"seconds", perplexity.result.seconds},
               {"tokens_per_second", perplexity.tokens_per_second()}});
  if (text.self_text) json["self_text"] = to_json(*text.self_text);
  return json;
}

Cell cell(const std::optional<double>& value) {
  return value ? Cell(fmt::format("{:.4f}", *value), *value) : Cell("-", nullptr);
}

}  // namespace

std::string_view name_of(EvaluationProtocol protocol) {
  return protocol == EvaluationProtocol::reference ? "reference" : "llama.cpp";
}

EvaluationProtocol evaluation_protocol(std::string_view name) {
  for (const EvaluationProtocol protocol : {EvaluationProtocol::reference, EvaluationProtocol::llama_cpp}) {
    if (name == name_of(protocol)) return protocol;
  }
  bad_input("--protocol {}: not known; give reference or llama.cpp", name);
}

OrderedJson to_json(const EvalReport& report) {
  OrderedJson json = {{"model", report.model},
                      {"num_blocks", report.num_blocks},
                      {"dtype", report.compute.dtype},
                      {"device", report.compute.device},
                      {"removal_lists", report.removal_lists}};
  for (const TextPerplexity& perplexity : report.perplexity) {
    json["perplexity"][perplexity.text.name] = values(perplexity.result.rows, report.repaired);
    json["perplexity_details"][perplexity.text.name] = details(perplexity, report);
  }
  if (report.tasks) json.update(to_json(*report.tasks));
  return json;
}

Table perplexity_table(const EvalReport& report) {
  Table table({"text", "blocks removed", "perplexity", "stderr", "difference", "difference stderr", "KL"});
  for (const TextPerplexity& perplexity : report.perplexity) {
    const auto& rows = perplexity.result.rows;
    for (size_t i = 0; i < rows.size(); ++i) {
      const PerplexityRow& row = rows[i];
      const bool dense = i == 0;
      table.add({perplexity.text.name,
                 dense ? "none" : model_label(report.removal_lists[i - 1], is_repaired(report, i)),
                 cell(row.perplexity.value), cell(row.perplexity.error), dense ? cell({}) : cell(row.difference.value),
                 dense ? cell({}) : cell(row.difference.error), dense ? cell({}) : cell(row.divergence.value)});
    }
  }
  return table;
}

std::vector<NamedTable> tables_of(const EvalReport& report) {
  std::vector<NamedTable> tables;
  if (!report.perplexity.empty()) tables.push_back({"perplexity", perplexity_table(report)});
  if (report.tasks) tables.push_back({"tasks", task_table(*report.tasks)});
  return tables;
}

}  // namespace sleb
