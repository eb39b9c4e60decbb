#include "sleb/base/numbers.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <cmath>

namespace sleb {
namespace {

std::string with_prefix(double value, const char* const (&prefixes)[5]) {
  size_t step = 0;
  while (value >= 999.5 && step + 1 < std::size(prefixes)) {
    value /= 1000;
    ++step;
  }
  const int decimals = step == 0 ? 0 : value < 9.995 ? 2 : 1;
  return fmt::format("{:.{}f} {}", value, decimals, prefixes[step]);
}

}  // namespace

std::string format_count(double count) {
  std::string text = with_prefix(count, {"", "k", "M", "B", "T"});
  if (text.back() == ' ') text.pop_back();
  return text;
}

std::string format_bytes(uint64_t bytes) {
  return with_prefix(static_cast<double>(bytes), {"B", "kB", "MB", "GB", "TB"});
}

std::string format_seconds(double seconds) {
  if (seconds < 59.95) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<int64_t>(std::lround(seconds));
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{} h {:02} min", whole / 3600, whole / 60 % 60);
}

std::string format_list(const std::vector<int64_t>& list) {
  return fmt::format("{}", fmt::join(list, ","));
}

}  // namespace sleb
