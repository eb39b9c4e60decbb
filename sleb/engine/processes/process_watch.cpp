#include "sleb/engine/processes/process_watch.h"

#include <utility>

namespace sleb {
namespace {

constexpr auto between_looks = std::chrono::milliseconds(20);

}  // namespace

ProcessWatch::ProcessWatch(const Options& options, std::unique_ptr<KeyValueStore> store)
    : options_(options), store_(std::move(store)), seen_(static_cast<size_t>(options_.size)) {
  thread_ = std::thread([this] { watch(); });
}

ProcessWatch::~ProcessWatch() {
  change([this] {
    if (status_.state == ProcessState::done) status_.state = ProcessState::left;
    if (status_.state == ProcessState::working) {
      status_.state = ProcessState::ended;
      status_.ending = {options_.rank, EndKind::failed, "left before the work was done", true};
    }
  });
  if (options_.store_of_rank_0 && options_.rank == 0) wait_for_endings_of_others();
  change([this] { leaving_ = true; });
  thread_.join();
}

std::optional<Ending> ProcessWatch::other_ended() const {
  const std::lock_guard lock(mutex_);
  return other_;
}

void ProcessWatch::all_joined() {
  const std::lock_guard lock(mutex_);
  for (Seen& seen : seen_) seen.joined = true;
}

void ProcessWatch::done() {
  change([this] { status_.state = ProcessState::done; });
}

void ProcessWatch::ended(const Ending& ending, bool listens) {
  change([&] {
    if (status_.state == ProcessState::working) status_ = {status_.beat, ProcessState::ended, ending, listens};
  });
}

void ProcessWatch::listens_no_more() {
  change([this] { status_.listens = false; });
}

Ending ProcessWatch::lose_store(const Error& error) {
  {
    const std::lock_guard lock(mutex_);
    store_lost_ = true;
  }
  const bool of_rank_0 = options_.store_of_rank_0;
  const Ending ending{of_rank_0 ? 0 : -1, EndKind::failed,
                      of_rank_0 ? fmt::format("is gone: {}", error.what()) : std::string(error.what()), false};
  note_end(ending);
  return other_ended().value_or(ending);
}

template <typename Change>
void ProcessWatch::change(const Change& change) {
  const std::lock_guard lock(mutex_);
  change();
  hurry_ = true;
  changed_.notify_all();
}

// The store must not end before the others know how it ended.
void ProcessWatch::wait_for_endings_of_others() {
  const auto begin = Clock::now();
  const auto gone = [&](const Seen& seen) {
    const bool ended = seen.state == ProcessState::left || (seen.state == ProcessState::ended && !seen.listens);
    return ended || !seen.joined || Clock::now() - seen.when > options_.silence;
  };
  std::unique_lock lock(mutex_);
  while (Clock::now() - begin < options_.wait_for_endings && !store_lost_) {
    const auto rank = static_cast<size_t>(options_.rank);
    bool all = true;
    for (size_t i = 0; i < seen_.size(); ++i) all = all && (i == rank || gone(seen_[i]));
    if (all) return;
    hurry_ = true;
    changed_.notify_all();
    changed_.wait_for(lock, between_looks);
  }
}

void ProcessWatch::watch() {
  std::unique_lock lock(mutex_);
  for (bool last = false; !last && !store_lost_;) {
    last = leaving_;
    hurry_ = false;
    ++status_.beat;
    const ProcessStatus own = status_;
    lock.unlock();
    try {
      store_->set(status_key(options_, options_.rank), to_text(own));
      look_at_others();
    } catch (const Error& error) {
      lose_store(error);
    }
    lock.lock();
    if (!last) changed_.wait_for(lock, options_.beat, [this] { return hurry_ || leaving_; });
  }
}

void ProcessWatch::look_at_others() {
  std::vector<int64_t> joined;
  std::vector<std::string> keys;
  for (int64_t rank = 0; rank < options_.size; ++rank) {
    const std::string key = status_key(options_, rank);
    if (rank == options_.rank || !(is_joined(rank) || store_->has({key}))) continue;
    joined.push_back(rank);
    keys.push_back(key);
  }
  if (joined.empty()) return;
  const std::vector<std::string> statuses = store_->get(keys);
  for (size_t i = 0; i < joined.size(); ++i) see(joined[i], parse_process_status(statuses.at(i), joined[i]));
}

bool ProcessWatch::is_joined(int64_t rank) const {
  const std::lock_guard lock(mutex_);
  return seen_[static_cast<size_t>(rank)].joined;
}

void ProcessWatch::see(int64_t rank, const ProcessStatus& status) {
  const auto now = Clock::now();
  std::unique_lock lock(mutex_);
  Seen& seen = seen_[static_cast<size_t>(rank)];
  if (!seen.joined || status.beat != seen.beat) seen.when = now;
  seen.joined = true;
  seen.beat = status.beat;
  seen.state = status.state;
  seen.listens = status.listens;
  const bool silent = status.state == ProcessState::working && now - seen.when > options_.silence;
  lock.unlock();
  if (status.state == ProcessState::ended) {
    note_end(*status.ending);
  } else if (silent) {
    const double seconds = std::chrono::duration<double>(options_.silence).count();
    note_end({rank, EndKind::failed, fmt::format("has not been heard of for {:.0f} s", seconds), false});
  }
}

// The first end counts; those that follow from it only repeat it. Once the result is written, or this process is
// about to end anyhow, nothing does.
void ProcessWatch::note_end(const Ending& ending) {
  {
    const std::lock_guard lock(mutex_);
    const bool waits_for_rank_0 = status_.state == ProcessState::done && options_.rank != 0;
    if (other_ || !(status_.state == ProcessState::working || waits_for_rank_0)) return;
    other_ = ending;
  }
  options_.stop();
}

}  // namespace sleb
