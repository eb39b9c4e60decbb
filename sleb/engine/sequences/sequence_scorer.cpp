#include "sleb/engine/sequences/sequence_scorer.h"

#include <algorithm>
#include <numeric>

#include "sleb/base/error.h"
#include "sleb/engine/decoder/aten.h"
#include "sleb/engine/decoder/head_loss.h"
#include "sleb/engine/decoder/tensor_options.h"
#include "sleb/engine/plans/token_tree.h"
#include "sleb/engine/processes/process_group.h"
#include "sleb/engine/sweep/plan_runner.h"
#include "sleb/engine/sweep/work_division.h"

namespace sleb {
namespace {

// As in PlanEvaluator: matrix products run at full rate from about this many rows on.
constexpr int64_t batch_tokens_cpu = 2048;
constexpr int64_t batch_tokens_cuda = 16384;

// A token whose distribution is wanted at a node, for one of the group's sequences.
struct Target {
  int64_t node, id;
  size_t sequence;
};

// A group ready to run. The last token of a sequence is only predicted, so it is no node unless another goes on there.
struct PackedGroup {
  size_t index;  // among the groups given
  TokenTree tree;
  std::vector<Target> targets;
};

PackedGroup pack(const ModelSpec& spec, const SequenceGroup& group, size_t index) {
  PackedGroup packed{index, {}, {}};
  for (size_t i = 0; i < group.size(); ++i) {
    const auto& [ids, scored] = group[i];
    const auto length = static_cast<int64_t>(ids.size());
    if (scored < 1 || scored >= length) bad_input("{} of a sequence's {} tokens to be scored", scored, length);
    check_ids(spec, ids, "sequence to be scored");
    check_sequence_length(spec, length - 1, "sequence to be scored");
    const std::vector<int64_t> nodes = packed.tree.add(std::span(ids).first(ids.size() - 1));
    for (int64_t place = length - scored; place < length; ++place) {
      packed.targets.push_back({nodes[static_cast<size_t>(place - 1)], ids[static_cast<size_t>(place)], i});
    }
  }
  return packed;
}

// Groups of like size, padded to the largest.
struct Batch {
  std::span<const PackedGroup> groups;
  int64_t tokens;

  int64_t size() const { return static_cast<int64_t>(groups.size()); }
};

std::vector<Batch> make_batches(std::span<const PackedGroup> largest_first, int64_t most_tokens) {
  std::vector<Batch> batches;
  for (size_t begin = 0; begin < largest_first.size();) {
    const int64_t tokens = std::max<int64_t>(1, largest_first[begin].tree.size());
    const auto fit = static_cast<size_t>(std::max<int64_t>(1, most_tokens / tokens));
    const size_t count = std::min(fit, largest_first.size() - begin);
    batches.push_back({largest_first.subspan(begin, count), tokens});
    begin += count;
  }
  return batches;
}

std::vector<int64_t> padded_ids(const Batch& batch) {
  std::vector<int64_t> ids(static_cast<size_t>(batch.size() * batch.tokens));
  for (size_t i = 0; i < batch.groups.size(); ++i) {
    std::ranges::copy(batch.groups[i].tree.ids(), ids.begin() + static_cast<int64_t>(i) * batch.tokens);
  }
  return ids;
}

// Padding stands behind and sees itself alone, so that nothing is undefined.
AttentionContext make_context(const Decoder& decoder, const Batch& batch) {
  const auto is_path = [](const PackedGroup& group) { return group.tree.is_path(); };
  if (std::ranges::all_of(batch.groups, is_path)) return {decoder.spec(), decoder.compute(), batch.tokens};
  at::Tensor positions = at::zeros({batch.size(), batch.tokens}, at::kLong);
  at::Tensor visible = at::zeros({batch.size(), batch.tokens, batch.tokens}, at::kBool);
  int64_t longest = 1;
  for (int64_t i = 0; i < batch.size(); ++i) {
    const TokenTree& tree = batch.groups[static_cast<size_t>(i)].tree;
    std::ranges::copy(tree.depths(), positions.mutable_data_ptr<int64_t>() + i * batch.tokens);
    bool* rows = visible.mutable_data_ptr<bool>() + i * batch.tokens * batch.tokens;
    for (int64_t token = 0; token < batch.tokens; ++token) {
      bool* row = rows + token * batch.tokens;
      const int64_t parent = token < tree.size() ? tree.parents()[static_cast<size_t>(token)] : -1;
      if (parent >= 0) std::copy_n(rows + parent * batch.tokens, parent + 1, row);
      row[token] = true;
    }
    for (const int64_t depth : tree.depths()) longest = std::max(longest, depth + 1);
  }
  const at::Device device = device_of(decoder.compute());
  positions = positions.to(device);
  return {decoder.spec(), decoder.compute(), {positions, longest, visible.to(device), positions}};
}

// The rows of a batch's hidden states whose distributions are wanted, each once.
struct WantedRows {
  std::vector<int64_t> rows;     // in [batch * tokens], rising
  std::vector<int64_t> row_of;   // [targets of all groups]: index into `rows`
  std::vector<int64_t> targets;  // [targets of all groups]: ids
};

WantedRows wanted_rows(const Batch& batch) {
  WantedRows wanted;
  for (size_t i = 0; i < batch.groups.size(); ++i) {
    for (const Target& target : batch.groups[i].targets) {
      wanted.row_of.push_back(static_cast<int64_t>(i) * batch.tokens + target.node);
      wanted.targets.push_back(target.id);
    }
  }
  wanted.rows = wanted.row_of;
  std::ranges::sort(wanted.rows);
  const auto repeated = std::ranges::unique(wanted.rows);
  wanted.rows.erase(repeated.begin(), repeated.end());
  for (int64_t& row : wanted.row_of) row = std::ranges::lower_bound(wanted.rows, row) - wanted.rows.begin();
  return wanted;
}

struct TargetScores {
  std::vector<double> log_probability;  // [targets]
  std::vector<bool> is_greedy;
};

at::Tensor on_device(std::vector<int64_t>& numbers, const Decoder& decoder) {
  return at::from_blob(numbers.data(), {static_cast<int64_t>(numbers.size())}, at::kLong)
      .to(device_of(decoder.compute()));
}

// hidden [batch, tokens, hidden]
TargetScores score_targets(const Decoder& decoder, const at::Tensor& hidden, const WantedRows& wanted) {
  const int64_t slice = head_slice_rows(decoder.spec(), decoder.compute());
  const at::Tensor flat = hidden.view({-1, hidden.size(2)});
  // Targets in the order of their rows, so that a slice's are together.
  std::vector<size_t> order(wanted.targets.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, {}, [&](size_t i) { return wanted.row_of[i]; });
  TargetScores scores{std::vector<double>(order.size()), std::vector<bool>(order.size())};
  auto next = order.begin();
  for (size_t begin = 0; begin < wanted.rows.size(); begin += static_cast<size_t>(slice)) {
    const size_t end = std::min(begin + static_cast<size_t>(slice), wanted.rows.size());
    std::vector<int64_t> rows(wanted.rows.begin() + static_cast<int64_t>(begin),
                              wanted.rows.begin() + static_cast<int64_t>(end));
    const auto first = next;
    std::vector<int64_t> own_rows, ids;
    for (; next != order.end() && wanted.row_of[*next] < static_cast<int64_t>(end); ++next) {
      own_rows.push_back(wanted.row_of[*next] - static_cast<int64_t>(begin));
      ids.push_back(wanted.targets[*next]);
    }
    const at::Tensor logs = log_probabilities(decoder.logits(flat.index_select(0, on_device(rows, decoder))));
    const at::Tensor target_rows = on_device(own_rows, decoder);
    const at::Tensor target_ids = on_device(ids, decoder);
    const at::Tensor values =
        logs.flatten().index_select(0, target_rows.mul(logs.size(1)).add(target_ids)).to(at::kDouble).cpu();
    const at::Tensor greedy = logs.argmax(-1).index_select(0, target_rows).eq(target_ids).cpu();
    for (auto place = first; place != next; ++place) {
      scores.log_probability[*place] = values.const_data_ptr<double>()[place - first];
      scores.is_greedy[*place] = greedy.const_data_ptr<bool>()[place - first];
    }
  }
  return scores;
}

void add_scores(const Batch& batch, const TargetScores& scores, std::vector<std::vector<SequenceScore>>& groups) {
  size_t i = 0;
  for (const PackedGroup& group : batch.groups) {
    for (const Target& target : group.targets) {
      SequenceScore& score = groups[group.index][target.sequence];
      score.log_likelihood += scores.log_probability[i];
      score.is_greedy = score.is_greedy && scores.is_greedy[i];
      ++i;
    }
  }
}

double tokens_of(const Batch& batch) {
  return static_cast<double>(batch.size() * batch.tokens);
}

using Scores = std::vector<std::vector<std::vector<SequenceScore>>>;  // [plans][groups][sequences]

// Every n-th batch is of the same process: they come by size.
bool is_of(size_t batch, int64_t rank, const ProcessGroup& processes) {
  return batch % static_cast<size_t>(processes.size()) == static_cast<size_t>(rank);
}

std::vector<Batch> own_batches(const std::vector<Batch>& batches, const ProcessGroup* processes) {
  if (processes == nullptr) return batches;
  std::vector<Batch> own;
  for (size_t i = 0; i < batches.size(); ++i) {
    if (is_of(i, processes->rank(), *processes)) own.push_back(batches[i]);
  }
  return own;
}

// Calls `visit` with every score of a process, in an order that all agree on.
template <typename Visit>
void visit_scores(const std::vector<Batch>& batches, int64_t rank, const ProcessGroup& processes, Scores& scores,
                  const Visit& visit) {
  for (size_t i = 0; i < batches.size(); ++i) {
    if (!is_of(i, rank, processes)) continue;
    for (const PackedGroup& group : batches[i].groups) {
      for (auto& of_plan : scores) {
        for (SequenceScore& score : of_plan[group.index]) visit(score);
      }
    }
  }
}

void exchange_scores(const std::vector<Batch>& batches, ProcessGroup& processes, Scores& scores) {
  std::vector<double> own;
  visit_scores(batches, processes.rank(), processes, scores, [&](const SequenceScore& score) {
    own.push_back(score.log_likelihood);
    own.push_back(score.is_greedy ? 1 : 0);
  });
  const std::vector<std::string> messages = processes.all_gather(message_of(own));
  for (int64_t rank = 0; rank < processes.size(); ++rank) {
    size_t count = 0;
    visit_scores(batches, rank, processes, scores, [&](const SequenceScore&) { count += 2; });
    const std::vector<double> numbers = numbers_of(messages[static_cast<size_t>(rank)], count);
    auto next = numbers.begin();
    visit_scores(batches, rank, processes, scores, [&](SequenceScore& score) {
      score.log_likelihood = *next++;
      score.is_greedy = *next++ != 0;
    });
  }
}

}  // namespace

std::vector<std::vector<std::vector<SequenceScore>>> score_sequences(const Model& model, std::span<const Plan> plans,
                                                                     std::span<const SequenceGroup> groups,
                                                                     const ScoreOptions& options, Progress& progress) {
  const c10::InferenceMode guard;
  const Decoder& decoder = model.decoder();
  const ModelSpec& spec = model.spec();
  std::vector<PackedGroup> packed;
  std::vector<std::vector<SequenceScore>> empty;
  for (const SequenceGroup& group : groups) {
    packed.push_back(pack(spec, group, packed.size()));
    empty.emplace_back(group.size(), SequenceScore{0, true});
  }
  std::vector<std::vector<std::vector<SequenceScore>>> scores(plans.size(), empty);
  std::ranges::stable_sort(packed, std::ranges::greater(), [](const PackedGroup& group) { return group.tree.size(); });
  const std::vector<Batch> batches =
      make_batches(packed, model.compute().device == "cpu" ? batch_tokens_cpu : batch_tokens_cuda);

  const Schedule schedule = make_schedule(plans, spec.num_blocks);
  ProcessGroup* processes = model.compute().processes;
  const std::vector<Batch> own = own_batches(batches, processes);
  double operations = 0;
  for (const Batch& batch : own) {
    for (const ScheduleStep& step : schedule.steps) {
      operations += unit_operations(spec, step.unit.half, batch.tokens) * tokens_of(batch);
    }
  }
  WorkMeter meter(progress, options.stage, operations);
  for (const Batch& batch : own) {
    const auto states =
        run_schedule(decoder, schedule, padded_ids(batch), make_context(decoder, batch), [&](const ScheduleStep& step) {
          processes != nullptr ? processes->check() : check_interrupt();
          meter.add(unit_operations(spec, step.unit.half, batch.tokens) * tokens_of(batch));
        });
    const WantedRows wanted = wanted_rows(batch);
    std::vector<TargetScores> of_state;
    for (const at::Tensor& state : states) of_state.push_back(score_targets(decoder, state, wanted));
    for (size_t plan = 0; plan < plans.size(); ++plan) {
      add_scores(batch, of_state[static_cast<size_t>(schedule.final_states[plan])], scores[plan]);
    }
  }
  if (processes != nullptr) exchange_scores(batches, *processes, scores);
  progress.end();
  return scores;
}

}  // namespace sleb
