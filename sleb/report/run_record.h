// The record that the published SLEB code (sleb.py, eval.py, latency.py) adds to a text file after each run, in its
// form, so that what reads such files goes on reading them.
#pragma once

#include <string>

#include "sleb/report/eval_report.h"
#include "sleb/report/latency_report.h"
#include "sleb/report/prune_report.h"

namespace sleb {

// A paragraph of "Name: value" lines. Perplexities and tasks are those of the pruned model, where they were evaluated;
// texts other than wikitext2 and c4 stand there by their own names.
std::string run_record(const PruneReport& report);
// A paragraph for each removal list; without any, the dense model's, with an empty one.
std::string run_record(const EvalReport& report);
// A line for each removal list; the ratio of removed blocks is the one given, else the list's.
std::string run_record(const LatencyReport& report);

}  // namespace sleb
