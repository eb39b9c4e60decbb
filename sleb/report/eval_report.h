// What an evaluation leaves behind: its JSON and its tables.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sleb/base/json.h"
#include "sleb/corpus/corpus.h"
#include "sleb/engine/compute.h"
#include "sleb/engine/plans/removal_list.h"
#include "sleb/eval/perplexity.h"
#include "sleb/report/table.h"
#include "sleb/report/task_report.h"

namespace sleb {

struct TextPerplexity {
  Corpus text;
  CorpusPerplexity result;

  // Of the text, all models together.
  double tokens_per_second() const { return static_cast<double>(text.segments * text.seqlen) / result.seconds; }
};

struct EvalReport {
  std::string model;  // as the user named it
  int64_t num_blocks;
  Compute compute;
  std::vector<RemovalList> removal_lists;  // of the rows after the dense model's
  EvaluationProtocol protocol;
  bool repaired = false;                        // the last row's model is
  std::vector<TextPerplexity> perplexity = {};  // one a text
  std::optional<TaskReport> tasks = {};
};

// "reference", "llama.cpp".
std::string_view name_of(EvaluationProtocol protocol);
// Throws Error(bad_input) for other names.
EvaluationProtocol evaluation_protocol(std::string_view name);

// DESIGN section 4's JSON; errors, differences and divergence are in "perplexity_details". With tasks, their JSON's
// members too.
OrderedJson to_json(const EvalReport& report);
// A text and a model a line, the dense model first.
Table perplexity_table(const EvalReport& report);
// "perplexity" and "tasks", as far as there are texts and tasks.
std::vector<NamedTable> tables_of(const EvalReport& report);

}  // namespace sleb
