#include "sleb/engine/sweep/work_division.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "sleb/base/error.h"

namespace sleb {
namespace {

using Cost = std::function<double(int64_t process, PlanRange range)>;

// Ranges that cost at most `limit` each, as long as they can be one after the other; nothing if plans are left over.
std::optional<std::vector<PlanRange>> ranges_within(double limit, size_t plans, int64_t processes, const Cost& cost) {
  std::vector<PlanRange> ranges;
  size_t begin = 0;
  for (int64_t process = 0; process < processes; ++process) {
    size_t fits = begin, too_long = plans + 1;
    while (too_long - fits > 1) {
      const size_t end = fits + (too_long - fits) / 2;
      (cost(process, {begin, end}) <= limit ? fits : too_long) = end;
    }
    ranges.push_back({begin, fits});
    begin = fits;
  }
  return begin == plans ? std::optional(ranges) : std::nullopt;
}

void append(std::vector<double>& list, const std::vector<double>& more) {
  list.insert(list.end(), more.begin(), more.end());
}

}  // namespace

std::vector<PlanRange> divide_plans(size_t plans, int64_t processes, const Cost& cost) {
  double most = cost(0, {0, plans});
  std::vector<PlanRange> best(static_cast<size_t>(processes), {plans, plans});
  best[0] = {0, plans};
  double least = 0;
  while (most - least > 1e-3 * most) {
    const double limit = least + (most - least) / 2;
    if (auto ranges = ranges_within(limit, plans, processes, cost)) {
      best = std::move(*ranges);
      most = limit;
    } else {
      least = limit;
    }
  }
  return best;
}

std::string message_of(std::span<const double> numbers) {
  const auto bytes = std::as_bytes(numbers);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::vector<double> numbers_of(const std::string& message, size_t count) {
  if (message.size() != count * sizeof(double)) {
    failed(
        "another process sent {} bytes, where {} numbers were expected: do all run the same program with the same "
        "arguments?",
        message.size(), count);
  }
  std::vector<double> numbers(count);
  if (count > 0) std::memcpy(numbers.data(), message.data(), message.size());
  return numbers;
}

std::string message_of(const PartLosses& part) {
  std::vector<double> numbers = {part.operations};
  for (const PlanLoss& loss : part.losses) {
    append(numbers, loss.nll);
    append(numbers, loss.divergence);
  }
  return message_of(std::span<const double>(numbers));
}

PartLosses part_losses_of(const std::string& message, size_t plans, size_t blocks, bool divergence) {
  const std::vector<double> numbers = numbers_of(message, 1 + plans * blocks * (divergence ? 2 : 1));
  PartLosses part{{}, numbers[0]};
  auto next = numbers.begin() + 1;
  const auto take = [&] {
    const auto begin = next;
    next += static_cast<int64_t>(blocks);
    return std::vector<double>(begin, next);
  };
  for (size_t i = 0; i < plans; ++i) {
    PlanLoss& loss = part.losses.emplace_back();
    loss.nll = take();
    if (divergence) loss.divergence = take();
  }
  return part;
}

}  // namespace sleb
