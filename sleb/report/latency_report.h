// What a latency measurement leaves behind: its JSON and its table.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sleb/base/json.h"
#include "sleb/engine/compute.h"
#include "sleb/engine/plans/removal_list.h"
#include "sleb/eval/latency.h"
#include "sleb/report/table.h"

namespace sleb {

struct LatencyReport {
  std::string model;  // as the user named it
  int64_t num_blocks;
  Compute compute;
  std::vector<RemovalList> removal_lists;  // of the models after the dense one
  LatencyOptions options;
  LatencyComparison comparison;
  std::vector<uint64_t> weight_bytes;        // [models], in the compute type
  std::vector<uint64_t> kv_cache_bytes;      // [models], of the whole batch at its full length
  std::optional<double> removal_ratio = {};  // that the one removal list was made of
};

// {"model", "mode", ..., "results": [a record a model, the dense one first]}.
OrderedJson to_json(const LatencyReport& report);
// As text for people a measure a line, the models side by side; for programs a record a model.
std::string latency_table(const LatencyReport& report, TableFormat format);

}  // namespace sleb
