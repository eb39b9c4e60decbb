#include "sleb/engine/sweep/shared_sweep.h"

#include <algorithm>

#include "sleb/base/error.h"

namespace sleb {
namespace {

// So many chunks, from the first on, are computed one a process, in waves. A last wave with a shorter chunk is not
// among them: one process would be idle.
size_t whole_waves(std::span<const int64_t> chunks, size_t processes, const PlanEvaluator& evaluator) {
  const size_t whole = chunks.size() / processes * processes;
  if (whole == 0 || evaluator.corpus().segments % evaluator.chunk_segments() == 0) return whole;
  const auto last_wave = chunks.subspan(whole - processes, processes);
  const int64_t shorter = evaluator.corpus().segments / evaluator.chunk_segments();
  return std::ranges::find(last_wave, shorter) == last_wave.end() ? whole : whole - processes;
}

void append_part(const PartLosses& part, size_t first_plan, std::vector<PlanLoss>& losses) {
  for (size_t i = 0; i < part.losses.size(); ++i) losses[first_plan + i].append(part.losses[i]);
}

}  // namespace

SharedSweep::SharedSweep(const PlanEvaluator& evaluator, std::span<const Plan> plans, const EvaluateOptions& options,
                         std::span<const int64_t> chunks, KeptStates& kept, ProcessGroup& processes)
    : evaluator_(evaluator),
      plans_(plans),
      options_(options),
      chunks_(chunks),
      kept_(kept),
      processes_(processes),
      size_(static_cast<size_t>(processes.size())),
      whole_(whole_waves(chunks, size_, evaluator)),
      sweep_(evaluator, plans, options, own_chunks(), kept) {}

double SharedSweep::operations() const {
  double sum = 0;
  for (size_t wave = 0; wave < whole_; wave += size_) sum += every(sweep_.operations(own_chunk(wave)));
  for (const int64_t chunk : chunks_.subspan(whole_)) sum += sweep_.operations(chunk);
  return sum;
}

void SharedSweep::run(std::vector<PlanLoss>& losses, const std::function<void(double)>& add_work,
                      const std::function<void(double)>& done) {
  for (size_t wave = 0; wave < whole_; wave += size_) done(run_wave(wave, losses, add_work));
  for (size_t index = whole_; index < chunks_.size(); ++index) done(run_divided(index, losses, add_work));
}

int64_t SharedSweep::own_chunk(size_t wave) const {
  return chunks_[wave + static_cast<size_t>(processes_.rank())];
}

std::vector<int64_t> SharedSweep::own_chunks() const {
  std::vector<int64_t> own;
  for (size_t wave = 0; wave < whole_; wave += size_) own.push_back(own_chunk(wave));
  const auto divided = chunks_.subspan(whole_);
  own.insert(own.end(), divided.begin(), divided.end());
  return own;
}

// Computes the `index`-th chunk of a sweep of this process.
PartLosses SharedSweep::compute(Sweep& sweep, size_t index, size_t plans,
                                const std::function<void(double)>& add_work) const {
  PartLosses part{std::vector<PlanLoss>(plans), 0};
  part.operations = sweep.run(index, part.losses, [&](double done) {
    add_work(done);
    processes_.check();
  });
  return part;
}

// Whole chunks, one a process.
double SharedSweep::run_wave(size_t wave, std::vector<PlanLoss>& losses, const std::function<void(double)>& add_work) {
  const PartLosses own = compute(sweep_, wave / size_, plans_.size(), [&](double done) { add_work(every(done)); });
  const std::vector<std::string> messages = processes_.all_gather(message_of(own));
  double operations = 0;
  for (size_t i = 0; i < size_; ++i) {
    const auto blocks = static_cast<size_t>(sweep_.blocks(chunks_[wave + i]));
    const PartLosses part = part_losses_of(messages[i], plans_.size(), blocks, options_.divergence);
    append_part(part, 0, losses);
    operations += part.operations;
  }
  return operations;
}

// One chunk, divided by plans.
double SharedSweep::run_divided(size_t index, std::vector<PlanLoss>& losses,
                                const std::function<void(double)>& add_work) {
  const int64_t chunk = chunks_[index];
  const std::vector<PlanRange> ranges = divide(chunk);
  const PlanRange range = ranges[static_cast<size_t>(processes_.rank())];
  PartLosses own;
  if (range.size() > 0) {
    Sweep sweep(evaluator_, plans_.subspan(range.begin, range.size()), options_,
                {chunks_.begin() + static_cast<int64_t>(index), chunks_.end()}, kept_);
    const double factor = sweep_.operations(chunk) / sweep.operations(chunk);
    own = compute(sweep, 0, range.size(), [&](double done) { add_work(factor * done); });
  } else {
    sweep_.forget(chunk);
  }
  const std::vector<std::string> messages = processes_.all_gather(message_of(own));
  double operations = 0;
  for (size_t i = 0; i < size_; ++i) {
    const auto blocks = static_cast<size_t>(sweep_.blocks(chunk));
    const PartLosses part = part_losses_of(messages[i], ranges[i].size(), blocks, options_.divergence);
    append_part(part, ranges[i].begin, losses);
    operations += part.operations;
  }
  return operations;
}

// By what each process has to compute beyond the states that it keeps.
std::vector<PlanRange> SharedSweep::divide(int64_t chunk) {
  const std::vector<int64_t> own = sweep_.starts(chunk);
  const std::vector<double> numbers(own.begin(), own.end());
  std::vector<std::vector<int64_t>> starts;
  for (const std::string& message : processes_.all_gather(message_of(numbers))) {
    const std::vector<double> depths = numbers_of(message, own.size());
    const auto most = static_cast<double>(2 * evaluator_.model().spec().num_blocks);
    if (!std::ranges::all_of(depths, [&](double depth) { return depth >= 0 && depth <= most; })) {
      failed("another process keeps states at a depth that the model does not have");
    }
    starts.emplace_back(depths.begin(), depths.end());
  }
  return divide_plans(plans_.size(), processes_.size(), [&](int64_t process, PlanRange range) {
    return sweep_.operations(chunk, range, starts[static_cast<size_t>(process)]);
  });
}

}  // namespace sleb
