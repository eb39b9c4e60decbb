// How a call's work is divided among the processes of a group. Inside the engine only.
//
// Whole chunks first, one a process, wave after wave: nothing is computed twice. What is left are fewer chunks than
// processes, or as many with a shorter one among them; each of these is divided by plans, which costs the shared
// beginning once a process.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "sleb/engine/sweep/plan_evaluator.h"

namespace sleb {

struct PlanRange {
  size_t begin, end;
  size_t size() const { return end - begin; }
  bool operator==(const PlanRange&) const = default;
};

// Neighbouring plans for each of `processes`, so that the longest takes as short as it can (to a thousandth). `cost` of
// a range must not fall when the range grows at its end.
std::vector<PlanRange> divide_plans(size_t plans, int64_t processes,
                                    const std::function<double(int64_t process, PlanRange range)>& cost);

// A list of numbers as a message between processes. Throws Error(failed) if the text is not of `count` of them.
std::string message_of(std::span<const double> numbers);
std::vector<double> numbers_of(const std::string& message, size_t count);

// What a process has computed of some plans on one chunk.
struct PartLosses {
  std::vector<PlanLoss> losses;
  double operations = 0;
};
std::string message_of(const PartLosses& part);
// Of `plans` plans with `blocks` losses each.
PartLosses part_losses_of(const std::string& message, size_t plans, size_t blocks, bool divergence);

}  // namespace sleb
