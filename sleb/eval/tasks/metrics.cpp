#include "sleb/eval/tasks/metrics.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "sleb/base/utf8.h"

namespace sleb {
namespace {

struct NamedMetric {
  std::string_view name;
  Metric metric;
};

constexpr NamedMetric named_metrics[] = {
    {"acc", Metric::acc},
    {"acc_norm", Metric::acc_norm},
    {"acc_bytes", Metric::acc_bytes},
    {"perplexity", Metric::perplexity},
    {"word_perplexity", Metric::word_perplexity},
    {"byte_perplexity", Metric::byte_perplexity},
    {"bits_per_byte", Metric::bits_per_byte},
};

const NamedMetric& entry_of(Metric metric) {
  return *std::ranges::find(named_metrics, metric, &NamedMetric::metric);
}

double characters(std::string_view text) {
  size_t count = 0;
  for (size_t i = 0; i < text.size(); i += character_size(text[i])) ++count;
  return static_cast<double>(count);
}

double length_of(Metric metric, std::string_view choice) {
  if (metric == Metric::acc_norm) return characters(choice);
  return metric == Metric::acc_bytes ? static_cast<double>(choice.size()) : 1;
}

double accuracy(Metric metric, const Answer& answer, std::span<const ContinuationScore> scores) {
  if (answer.choices.empty()) return scores[0].is_greedy ? 1 : 0;
  size_t best = 0;
  double best_score = -std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < scores.size(); ++i) {
    const double score = scores[i].log_likelihood / length_of(metric, answer.choices[i]);
    if (score > best_score) best = i, best_score = score;
  }
  return static_cast<int64_t>(best) == answer.target ? 1 : 0;
}

// The metric as a function of the ratio of sums, and its derivative.
struct Curve {
  double value, slope;
};

Curve at_ratio(Metric metric, double ratio) {
  switch (metric) {
    case Metric::acc:
    case Metric::acc_norm:
    case Metric::acc_bytes:
      return {ratio, 1};
    case Metric::bits_per_byte:
      return {-ratio / std::numbers::ln2, -1 / std::numbers::ln2};
    default:
      return {std::exp(-ratio), -std::exp(-ratio)};
  }
}

// The figure, and how far each question moves it: the standard error is that of the mean of these influences.
struct Influences {
  double value;
  std::vector<double> influences;
};

Influences influences_of(Metric metric, std::span<const MetricPart> parts) {
  double values = 0, weights = 0;
  for (const MetricPart& part : parts) values += part.value, weights += part.weight;
  const double ratio = values / weights;
  const Curve curve = at_ratio(metric, ratio);
  const double mean_weight = weights / static_cast<double>(parts.size());
  Influences result{curve.value, {}};
  for (const MetricPart& part : parts) {
    result.influences.push_back(curve.slope * (part.value - ratio * part.weight) / mean_weight);
  }
  return result;
}

std::optional<double> standard_error(std::span<const double> influences) {
  const auto n = static_cast<double>(influences.size());
  if (n < 2) return {};
  const double mean = std::accumulate(influences.begin(), influences.end(), 0.0) / n;
  double squares = 0;
  for (const double influence : influences) squares += (influence - mean) * (influence - mean);
  return std::sqrt(squares / (n - 1) / n);
}

}  // namespace

std::string_view metric_name(Metric metric) {
  return entry_of(metric).name;
}

std::optional<Metric> find_metric(std::string_view name) {
  const auto* found = std::ranges::find(named_metrics, name, &NamedMetric::name);
  return found == std::end(named_metrics) ? std::nullopt : std::optional(found->metric);
}

MetricPart metric_part(Metric metric, const Answer& answer, std::span<const ContinuationScore> scores) {
  switch (metric) {
    case Metric::perplexity:
      return {scores[0].log_likelihood, 1};
    case Metric::word_perplexity:
      return {scores[0].log_likelihood, answer.words};
    case Metric::byte_perplexity:
    case Metric::bits_per_byte:
      return {scores[0].log_likelihood, answer.bytes};
    default:
      return {accuracy(metric, answer, scores), 1};
  }
}

MetricEstimate estimate(Metric metric, std::span<const MetricPart> parts) {
  const Influences all = influences_of(metric, parts);
  return {all.value, standard_error(all.influences)};
}

MetricEstimate paired_difference(Metric metric, std::span<const MetricPart> parts,
                                 std::span<const MetricPart> reference) {
  const Influences ours = influences_of(metric, parts);
  const Influences theirs = influences_of(metric, reference);
  std::vector<double> differences;
  for (size_t i = 0; i < parts.size(); ++i) differences.push_back(ours.influences[i] - theirs.influences[i]);
  return {ours.value - theirs.value, standard_error(differences)};
}

}  // namespace sleb
