// What sleb prune found, read again from its JSON (sleb.json of a folder, or what --json wrote): all that a report
// shows.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sleb/base/json.h"
#include "sleb/engine/plans/removal_list.h"

namespace sleb::result {

struct Measured {
  double value;
  std::optional<double> error;  // the standard error; nothing: there is none
};

// How a candidate did. `loss` is in the reference's unit (nats per token x tokens of the calibration text), `kl` and
// `difference`, to the winner's score, in nats per predicted token.
struct Score {
  double loss;
  double kl;
  int64_t tokens;  // that it was judged by
  Measured difference;
};

struct Candidate {
  Removal removal;  // a block, or a half of one
  Score score;
};

struct Round {
  Removal removed;
  double loss;  // of the winner on the whole text
  std::vector<Candidate> candidates;
  size_t winner;  // its place among the candidates
  double seconds;
};

struct SetCandidate {
  RemovalList blocks;
  Score score;
};

// A race of a search for better sets.
struct Race {
  std::string step;  // "another for 17"
  RemovalList best;  // of that size, afterwards
  std::vector<SetCandidate> candidates;
  double seconds;
};

struct BestSet {
  int64_t size;  // blocks, or halves
  RemovalList blocks;
  double loss;
  double kl;
};

enum class ModelState { dense, removed, repaired };
std::string_view name_of(ModelState state);

struct TextRow {
  ModelState model;
  Measured perplexity;
  std::optional<Measured> difference;  // to the dense model, nats per token
  std::optional<Measured> divergence;  // from it
};
struct TextPerplexity {
  std::string text;
  int64_t segments;
  int64_t seqlen;
  std::vector<TextRow> rows;  // the dense model first
};

struct TaskRow {
  ModelState model;
  Measured value;
  std::optional<Measured> difference;
};
struct TaskMetric {
  std::string task;
  std::string metric;  // "acc", "acc_norm"
  int64_t questions;
  std::vector<TaskRow> rows;
};

struct Calibration {
  std::string dataset;
  std::string source;  // "allenai/c4, configuration en, split train"; "" for a file
  std::string ids_sha256;
  int64_t segments;
  int64_t seqlen;
  int64_t seed;

  double tokens() const { return static_cast<double>(segments) * static_cast<double>(seqlen); }
};

struct Size {
  double blocks;
  double parameters;
  double bytes;
};

struct Speed {
  int64_t prompt_tokens;
  double dense;  // tokens per second, median
  double pruned;
  std::vector<double> dense_seconds;  // of each repeat; empty: an older file has none
  std::vector<double> pruned_seconds;
};

struct Repair {
  double loss;  // of the repaired model, as dense_loss
  int64_t matrices;
  int64_t changed;  // of these
  double seconds;
  // Of the last change: the error of the hidden state on text that was held out, relative to the dense model's.
  std::optional<std::pair<double, double>> held_out;  // before, after
};

struct PruneResult {
  std::string place;  // the file
  std::string model;
  int64_t num_blocks;
  bool halves;
  std::string search;     // "exact", "race", "best"
  std::string criterion;  // "loss", "kl"
  std::optional<double> confidence;
  Calibration calibration;
  std::vector<std::pair<std::string, std::string>> machine;  // "device": "cpu", ...
  std::string command;                                       // "": an older file has none
  double dense_loss;
  RemovalList removal_list;
  std::vector<Round> rounds;
  std::vector<Race> races;
  std::vector<BestSet> best_sets;  // ascending by size; empty: a greedy search
  double seconds;
  std::optional<std::pair<Size, Size>> sizes;  // dense, pruned
  std::optional<Speed> speed;
  std::optional<Repair> repair;
  std::vector<TextPerplexity> texts;
  std::vector<TaskMetric> tasks;

  double loss() const;  // of what was removed, without repair
  // Of a loss: nats per token, as perplexity is exp of it.
  double per_token(double loss) const { return loss / calibration.tokens(); }
};

// Throws Error(bad_input), naming the place in the file, for JSON that is no result of sleb prune, for values of
// another type or beyond what they can be, for rounds that no search has, and for a removal list that is not what its
// search found.
PruneResult prune_result(const JsonView& json);

// Of the parts of it, for prune_result.
void read_search(const JsonView& json, PruneResult& result);
void read_evaluation(const JsonView& json, PruneResult& result);

// A number of the kind that is meant, since what is drawn and multiplied has to stay a number: at least 0 and at most
// 1e18, or of both signs.
double amount(const JsonView& value);
double signed_amount(const JsonView& value);
Measured measured(const JsonView& object, const std::string& value, const std::string& error);

}  // namespace sleb::result
