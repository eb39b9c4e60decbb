// What is made of log-likelihoods: a value for each question, a figure with its standard error for each task.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sleb {

enum class Metric {
  acc,              // the likeliest choice is the right one; of a continuation: it is what greedy decoding gives
  acc_norm,         // the same with log-likelihoods per character of the choice
  acc_bytes,        // ... per byte of the choice
  perplexity,       // exp(-mean log-likelihood of the continuations)
  word_perplexity,  // exp(-log-likelihood / words), over all texts
  byte_perplexity,  // exp(-log-likelihood / bytes)
  bits_per_byte,    // -log-likelihood / bytes / ln 2
};

std::string_view metric_name(Metric metric);
std::optional<Metric> find_metric(std::string_view name);

struct ContinuationScore {
  double log_likelihood;  // nats
  bool is_greedy;         // greedy decoding would give these tokens
};

// What scores are held against.
struct Answer {
  std::vector<std::string> choices = {};  // of multiple choice; UTF-8
  int64_t target = 0;                     // the right one's index
  double words = 0, bytes = 0;            // of a text that is scored whole
};

// A question's part in a metric. Every metric is a function of sum(value) / sum(weight) over the questions.
struct MetricPart {
  double value;
  double weight;
};

// `scores`: one for each choice, or the single one of a continuation or a text. The first of equal choices counts.
MetricPart metric_part(Metric metric, const Answer& answer, std::span<const ContinuationScore> scores);

struct MetricEstimate {
  double value;
  std::optional<double> standard_error;  // needs two questions
};

// The standard error is that of a mean for accuracies (sample standard deviation / sqrt(n), as in
// lm-evaluation-harness) and its linearisation for the others (delta method), where the harness resamples or prints
// none.
MetricEstimate estimate(Metric metric, std::span<const MetricPart> parts);

// How much higher `parts` score than `reference` on the same questions, with the standard error of the differences.
MetricEstimate paired_difference(Metric metric, std::span<const MetricPart> parts,
                                 std::span<const MetricPart> reference);

}  // namespace sleb
