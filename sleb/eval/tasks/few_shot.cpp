#include "sleb/eval/tasks/few_shot.h"

#include <algorithm>

#include "sleb/base/error.h"

namespace sleb {

FewShotSampler::FewShotSampler(const Pool& pool, const FewShotOptions& options) : pool_(pool), options_(options) {
  if (options.seed) random_.emplace(*options.seed);
  check_enough(pool.rows.rows.size());
}

void FewShotSampler::check_enough(size_t rows) const {
  if (static_cast<int64_t>(rows) < options_.count) {
    bad_input("{}: {} examples were asked for in front of each question, but there are {} rows to take them from",
              pool_.rows.file.string(), options_.count, rows);
  }
}

bool FewShotSampler::is_skipped(const TaskRow& example, const TaskRow& row) const {
  return (pool_.harness_skips_own_row || pool_.holds_the_questions) && example.fields == row.fields;
}

std::vector<const TaskRow*> FewShotSampler::others(const TaskRow& row) const {
  std::vector<const TaskRow*> rows;
  for (const TaskRow& each : pool_.rows.rows) {
    if (!is_skipped(each, row)) rows.push_back(&each);
  }
  return rows;
}

std::vector<const TaskRow*> FewShotSampler::sample(const std::vector<const TaskRow*>& rows, size_t count) {
  check_enough(rows.size());
  std::vector<const TaskRow*> drawn;
  for (const size_t index : random_->sample(rows.size(), std::min(count, rows.size()))) drawn.push_back(rows[index]);
  return drawn;
}

// lm_eval/api/samplers.py. By default one row more is drawn where the question's own may be among them; should it stand
// there several times, all are drawn anew from the others.
std::vector<const TaskRow*> FewShotSampler::draw(const TaskRow& row) {
  const auto count = static_cast<size_t>(options_.count);
  if (count == 0) return {};
  std::vector<const TaskRow*> examples;
  if (random_) {
    for (const TaskRow& each : pool_.rows.rows) examples.push_back(&each);
    examples = sample(examples, count + (pool_.harness_skips_own_row ? 1 : 0));
    std::erase_if(examples, [&](const TaskRow* each) { return is_skipped(*each, row); });
    if (examples.size() < count) examples = sample(others(row), count);
  } else {
    examples = others(row);
  }
  check_enough(examples.size());
  examples.resize(count);
  return examples;
}

}  // namespace sleb
