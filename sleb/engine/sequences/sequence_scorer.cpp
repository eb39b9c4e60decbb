#include "sleb/engine/sequences/sequence_scorer.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "sleb/base/error.h"
#include "sleb/engine/decoder/aten.h"
#include "sleb/engine/decoder/device_failure.h"
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
  positions = upload(positions, device);
  return {decoder.spec(), decoder.compute(), {positions, longest, upload(visible, device), positions}};
}

// The rows of a batch's hidden states whose distributions are wanted, each once, and the targets: those of all groups
// in the order of their rows, so that the targets of a slice of rows stand together.
struct WantedRows {
  std::vector<int64_t> rows;    // in [batch * tokens], rising
  std::vector<size_t> order;    // [targets]: which of all groups' targets it is
  std::vector<int64_t> row_of;  // [targets]: index into `rows`, rising
  std::vector<int64_t> ids;     // [targets]

  // The targets of rows begin <= i < end: where they begin and how many they are.
  std::pair<int64_t, int64_t> targets(int64_t begin, int64_t end) const {
    const auto first = std::ranges::lower_bound(row_of, begin), last = std::ranges::lower_bound(row_of, end);
    return {first - row_of.begin(), last - first};
  }
};

WantedRows wanted_rows(const Batch& batch) {
  std::vector<int64_t> places, ids;  // [targets], as the groups have them
  for (size_t i = 0; i < batch.groups.size(); ++i) {
    for (const Target& target : batch.groups[i].targets) {
      places.push_back(static_cast<int64_t>(i) * batch.tokens + target.node);
      ids.push_back(target.id);
    }
  }
  WantedRows wanted;
  wanted.order.resize(places.size());
  std::iota(wanted.order.begin(), wanted.order.end(), size_t{0});
  std::ranges::stable_sort(wanted.order, {}, [&](size_t i) { return places[i]; });
  for (const size_t i : wanted.order) {
    if (wanted.rows.empty() || wanted.rows.back() != places[i]) wanted.rows.push_back(places[i]);
    wanted.row_of.push_back(static_cast<int64_t>(wanted.rows.size()) - 1);
    wanted.ids.push_back(ids[i]);
  }
  return wanted;
}

// The same numbers where the logits are, in one upload.
struct WantedOnDevice {
  at::Tensor rows, row_of, ids;

  WantedOnDevice(const WantedRows& wanted, at::Device device) {
    const auto num_rows = static_cast<int64_t>(wanted.rows.size());
    const auto num_targets = static_cast<int64_t>(wanted.ids.size());
    at::Tensor all = at::empty({num_rows + 2 * num_targets}, at::kLong);
    auto* next = all.mutable_data_ptr<int64_t>();
    for (const auto* part : {&wanted.rows, &wanted.row_of, &wanted.ids}) next = std::ranges::copy(*part, next).out;
    all = upload(all, device);
    rows = all.narrow(0, 0, num_rows);
    row_of = all.narrow(0, num_rows, num_targets);
    ids = all.narrow(0, num_rows + num_targets, num_targets);
  }
};

// [states, targets] on the device, in the order of WantedRows.
struct TargetScores {
  at::Tensor log_probability;  // float32
  at::Tensor is_greedy;        // bool
};

// states: [batch, tokens, hidden] each. Waits for nothing on CUDA.
TargetScores score_targets(const Decoder& decoder, const std::vector<at::Tensor>& states, const WantedRows& wanted) {
  const WantedOnDevice on_device(wanted, device_of(decoder.compute()));
  const auto num_rows = static_cast<int64_t>(wanted.rows.size());
  const int64_t slice = head_slice_rows(decoder.spec(), decoder.compute());
  const int64_t num_targets = on_device.ids.size(0);
  TargetScores scores;
  scores.log_probability =
      at::empty({static_cast<int64_t>(states.size()), num_targets}, on_device.ids.options().dtype(at::kFloat));
  scores.is_greedy = at::empty(scores.log_probability.sizes(), on_device.ids.options().dtype(at::kBool));
  for (size_t i = 0; i < states.size(); ++i) {
    const at::Tensor flat = states[i].flatten(0, 1);
    const at::Tensor rows = on_device.rows.to(flat.device());
    for (int64_t begin = 0; begin < num_rows; begin += slice) {
      const int64_t end = std::min(begin + slice, num_rows);
      const auto targets = wanted.targets(begin, end);
      const at::Tensor row_of = on_device.row_of.narrow(0, targets.first, targets.second).sub(begin);
      const at::Tensor ids = on_device.ids.narrow(0, targets.first, targets.second);
      const at::Tensor logs =
          log_probabilities(decoder.logits(flat.index_select(0, rows.narrow(0, begin, end - begin))));
      const auto place = [&](const at::Tensor& table) {
        return table.select(0, static_cast<int64_t>(i)).narrow(0, targets.first, targets.second);
      };
      place(scores.log_probability).copy_(logs.flatten().index_select(0, row_of.mul(logs.size(1)).add(ids)));
      place(scores.is_greedy).copy_(logs.argmax(-1).index_select(0, row_of).eq(ids));
    }
  }
  return scores;
}

// A batch whose work on the device is begun, and may not be done.
struct BegunBatch {
  const Batch* batch;
  std::vector<size_t> order;  // as in WantedRows
  TargetScores scores;
};

using Scores = std::vector<std::vector<std::vector<SequenceScore>>>;  // [plans][groups][sequences]

// Of one state, [targets] each, to the plan that ends in it.
void add_scores(const BegunBatch& begun, const at::Tensor& log_probability, const at::Tensor& is_greedy,
                std::vector<std::vector<SequenceScore>>& groups) {
  std::vector<size_t> place(begun.order.size());  // of the groups' targets
  for (size_t i = 0; i < place.size(); ++i) place[begun.order[i]] = i;
  auto next = place.begin();
  for (const PackedGroup& group : begun.batch->groups) {
    for (const Target& target : group.targets) {
      SequenceScore& score = groups[group.index][target.sequence];
      score.log_likelihood += static_cast<double>(log_probability.const_data_ptr<float>()[*next]);
      score.is_greedy = score.is_greedy && is_greedy.const_data_ptr<bool>()[*next];
      ++next;
    }
  }
}

// Waits until the device is done with it.
void finish(const BegunBatch& begun, const Schedule& schedule, Scores& scores) {
  const at::Tensor log_probability = begun.scores.log_probability.cpu(), is_greedy = begun.scores.is_greedy.cpu();
  for (size_t plan = 0; plan < scores.size(); ++plan) {
    const int64_t state = schedule.final_states[plan];
    add_scores(begun, log_probability.select(0, state), is_greedy.select(0, state), scores[plan]);
  }
}

double tokens_of(const Batch& batch) {
  return static_cast<double>(batch.size() * batch.tokens);
}

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

int64_t score_batch_tokens(const Compute& compute) {
  return compute.device == "cpu" ? batch_tokens_cpu : batch_tokens_cuda;
}

std::vector<std::vector<std::vector<SequenceScore>>> score_sequences(const Model& model, std::span<const Plan> plans,
                                                                     std::span<const SequenceGroup> groups,
                                                                     const ScoreOptions& options,
                                                                     Progress& progress) try {
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
  const std::vector<Batch> batches = make_batches(packed, score_batch_tokens(model.compute()));

  const Schedule schedule = make_schedule(plans, spec.num_blocks);
  ProcessGroup* processes = model.compute().processes;
  const std::vector<Batch> own = own_batches(batches, processes);
  double operations = 0;
  for (const Batch& batch : own) {
    for (const ScheduleStep& step : schedule.steps) {
      operations += unit_operations(spec, step.unit, batch.tokens) * tokens_of(batch);
    }
  }
  WorkMeter meter(progress, options.stage, operations);
  std::vector<BegunBatch> begun;  // read at the end, because reading waits for all that a GPU has been given
  for (const Batch& batch : own) {
    const auto states =
        run_schedule(decoder, schedule, padded_ids(batch), make_context(decoder, batch), [&](const ScheduleStep& step) {
          processes != nullptr ? processes->check() : check_interrupt();
          meter.add(unit_operations(spec, step.unit, batch.tokens) * tokens_of(batch));
        });
    WantedRows wanted = wanted_rows(batch);
    TargetScores found = score_targets(decoder, states, wanted);
    begun.push_back({&batch, std::move(wanted.order), std::move(found)});
  }
  for (const BegunBatch& batch : begun) finish(batch, schedule, scores);
  if (processes != nullptr) exchange_scores(batches, *processes, scores);
  progress.end();
  return scores;
} catch (const c10::Error& error) {
  device_failed(options.stage, model.compute().device, error);
}

}  // namespace sleb
