#include "sleb/search/paired_difference.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

namespace sleb {
namespace {

constexpr size_t fewest_batches = 8;

struct Batch {
  double difference = 0;
  double tokens = 0;
};

// Neighbours put together; an odd one at the end joins the last pair.
std::vector<Batch> pairs_of(const std::vector<Batch>& batches) {
  std::vector<Batch> pairs(batches.size() / 2);
  for (size_t i = 0; i < batches.size(); ++i) {
    Batch& pair = pairs[std::min(i / 2, pairs.size() - 1)];
    pair.difference += batches[i].difference;
    pair.tokens += batches[i].tokens;
  }
  return pairs;
}

double standard_error(const std::vector<Batch>& batches, double mean, double tokens) {
  const auto count = static_cast<double>(batches.size());
  double squares = 0;
  for (const Batch& batch : batches) squares += std::pow(batch.difference - mean * batch.tokens, 2);
  return std::sqrt(squares * count / (count - 1)) / tokens;
}

}  // namespace

PairedDifference paired_difference(std::span<const double> own, std::span<const double> other,
                                   std::span<const int64_t> tokens) {
  std::vector<Batch> batches;
  Batch sum;
  for (size_t i = 0; i < own.size(); ++i) {
    batches.push_back({own[i] - other[i], static_cast<double>(tokens[i])});
    sum.difference += batches.back().difference;
    sum.tokens += batches.back().tokens;
  }
  PairedDifference result{sum.difference / sum.tokens, {}, static_cast<int64_t>(own.size())};
  if (batches.size() < 2) return result;
  result.error = standard_error(batches, result.mean, sum.tokens);
  for (batches = pairs_of(batches); batches.size() >= fewest_batches; batches = pairs_of(batches)) {
    result.error = std::max(*result.error, standard_error(batches, result.mean, sum.tokens));
  }
  return result;
}

double student_t_tail(double t, int64_t degrees) {
  const double angle = std::atan(t / std::sqrt(static_cast<double>(degrees)));
  const double cosine = std::cos(angle);
  const double sine = std::sin(angle);
  const bool odd = degrees % 2 == 1;
  // P(|T| < t): for even degrees sin (1 + 1/2 cos^2 + 1 3/(2 4) cos^4 + ...), for odd ones
  // 2/pi (angle + sin (cos + 2/3 cos^3 + 2 4/(3 5) cos^5 + ...)), both up to cos^(degrees - 2).
  double term = odd ? cosine : 1;
  double sum = degrees == 1 ? 0 : term;
  for (int64_t k = odd ? 3 : 2; k <= degrees - 2; k += 2) {
    const auto n = static_cast<double>(k);
    term *= cosine * cosine * (n - 1) / n;
    sum += term;
  }
  const double within = odd ? 2 / std::numbers::pi * (angle + sine * sum) : sine * sum;
  return std::max(0.0, (1 - within) / 2);
}

bool significantly_positive(const PairedDifference& difference, double share, double level) {
  if (!difference.error || difference.mean <= 0 || share >= 1) return false;
  const double error = *difference.error * std::sqrt(1 - share);
  return student_t_tail(difference.mean / error, difference.blocks - 1) < level;
}

}  // namespace sleb
