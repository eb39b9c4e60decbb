// Which rows are shown with their answers in front of a question.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "sleb/base/python_random.h"
#include "sleb/eval/tasks/task_rows.h"

namespace sleb {

struct FewShotOptions {
  int64_t count = 0;
  // Without it the first rows (the harness's sampler "first_n"); with it, rows drawn anew for every question as the
  // harness draws them by default (its --seed sets this to 1234).
  std::optional<uint64_t> seed = {};
};

class FewShotSampler {
 public:
  // What is known of the pool: whether the harness would take a question's own row out of it
  // (Task::harness_skips_own_row), and whether it holds the questions' own rows, which then are taken out in any case.
  struct Pool {
    const TaskRows& rows;
    bool harness_skips_own_row;
    bool holds_the_questions;
  };
  // The rows must outlive the sampler. Throws Error(bad_input) if there are not enough of them.
  FewShotSampler(const Pool& pool, const FewShotOptions& options);

  // For the questions in their order.
  std::vector<const TaskRow*> draw(const TaskRow& row);

 private:
  // Rows of the pool but those equal to `row`, where these are skipped.
  std::vector<const TaskRow*> others(const TaskRow& row) const;
  std::vector<const TaskRow*> sample(const std::vector<const TaskRow*>& rows, size_t count);
  void check_enough(size_t rows) const;
  bool is_skipped(const TaskRow& example, const TaskRow& row) const;

  Pool pool_;
  FewShotOptions options_;
  std::optional<PythonRandom> random_;
};

}  // namespace sleb
