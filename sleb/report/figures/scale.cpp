#include "sleb/report/figures/scale.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "sleb/report/figures/drawing.h"

namespace sleb::page {
namespace {

// "50", "0.02", "1e+07": ticks are round.
std::string tick_text(double value) {
  return std::fabs(value) >= 1e6 ? fmt::format("{:.2g}", value) : fmt::format("{:.6g}", value);
}

}  // namespace

Scale::Scale(Kind kind, double least, double most, double from, double to)
    : kind_(kind), least_(least), most_(most), from_(from), to_(to) {
  if (kind_ == Kind::logarithmic) {
    least_ = std::max(least_, 1e-300);
    if (most_ <= least_ * 1.02) {
      const double middle = std::sqrt(least_ * std::max(most_, least_));
      least_ = middle * 0.99, most_ = middle * 1.01;
    }
  } else if (most_ <= least_) {
    const double pad = least_ == 0 ? 0.5 : std::fabs(least_) * 0.01;
    least_ -= pad, most_ = least_ + 2 * pad;
  }
}

double Scale::share(double value) const {
  const double share = kind_ == Kind::logarithmic
                           ? std::log(std::max(value, least_) / least_) / std::log(most_ / least_)
                           : (value - least_) / (most_ - least_);
  return std::clamp(share, 0.0, 1.0);
}

double Scale::operator()(double value) const {
  return from_ + share(value) * (to_ - from_);
}

std::vector<double> Scale::round_values(int wanted) const {
  std::vector<double> values;
  if (kind_ == Kind::logarithmic && most_ / least_ > 4) {
    const double decades = std::log10(most_ / least_);
    const std::vector<double> steps = decades > 3     ? std::vector<double>{1}
                                      : decades > 1.5 ? std::vector<double>{1, 3}
                                                      : std::vector<double>{1, 2, 5};
    for (double power = std::floor(std::log10(least_)); power <= std::log10(most_); ++power) {
      for (const double step : steps) values.push_back(step * std::pow(10, power));
    }
  } else {
    const double rough = (most_ - least_) / wanted, power = std::pow(10, std::floor(std::log10(rough)));
    const double share = rough / power;
    const double step = power * (share <= 1 ? 1 : share <= 2 ? 2 : share <= 5 ? 5 : 10);
    const double first = std::ceil(least_ / step - 1e-9);
    for (int i = 0; i <= 2 * wanted + 2; ++i) values.push_back((first + i) * step);
  }
  const double rounding = 1e-9 * (kind_ == Kind::logarithmic ? least_ : most_ - least_);
  std::erase_if(values, [&](double value) { return value < least_ - rounding || value > most_ + rounding; });
  return values;
}

std::vector<Tick> Scale::ticks(int wanted) const {
  std::vector<Tick> ticks;
  for (const double value : round_values(wanted)) ticks.push_back({(*this)(value), tick_text(value)});
  return ticks;
}

std::string cividis(double share) {
  constexpr std::array<std::array<int, 3>, 10> stops = {{{255, 233, 69},
                                                         {225, 204, 92},
                                                         {192, 177, 109},
                                                         {161, 152, 118},
                                                         {131, 129, 120},
                                                         {104, 106, 112},
                                                         {76, 85, 107},
                                                         {39, 63, 108},
                                                         {0, 42, 102},
                                                         {0, 32, 76}}};
  const double at = std::clamp(share, 0.0, 1.0) * (stops.size() - 1);
  const size_t below = std::min(static_cast<size_t>(at), stops.size() - 2);
  const double part = at - static_cast<double>(below);
  std::array<int, 3> mixed{};
  for (size_t i = 0; i < 3; ++i) {
    mixed[i] = static_cast<int>(std::lround(stops[below][i] * (1 - part) + stops[below + 1][i] * part));
  }
  return fmt::format("#{:02x}{:02x}{:02x}", mixed[0], mixed[1], mixed[2]);
}

}  // namespace sleb::page
