// One process's thread that gives signs of life and looks at those of the group's others. Inside the engine only.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "sleb/engine/processes/process_status.h"

namespace sleb {

class ProcessWatch {
 public:
  using Options = ProcessGroup::Options;

  ProcessWatch(const Options& options, std::unique_ptr<KeyValueStore> store);
  // Says that this process has ended. The process that serves the store also waits until the others have said so,
  // because the store ends with it.
  ~ProcessWatch();

  // The first end of another process that was noticed, or the store's.
  std::optional<Ending> other_ended() const;
  // All others have been seen.
  void all_joined();

  // The work of this process is done.
  void done();
  // It has ended before that; `listens`: and wants to know how rank 0 ends.
  void ended(const Ending& ending, bool listens);
  void listens_no_more();

  // The store can't be asked any more: what that means, or what was known before to have ended.
  Ending lose_store(const Error& error);

 private:
  using Clock = std::chrono::steady_clock;
  struct Seen {
    bool joined = false;
    int64_t beat = -1;
    Clock::time_point when = Clock::now();
    ProcessState state = ProcessState::working;
    bool listens = false;
  };

  template <typename Change>
  void change(const Change& change);
  void wait_for_endings_of_others();

  // The thread's own.
  void watch();
  void look_at_others();
  bool is_joined(int64_t rank) const;
  void see(int64_t rank, const ProcessStatus& status);
  void note_end(const Ending& ending);

  const Options options_;
  std::unique_ptr<KeyValueStore> store_;

  mutable std::mutex mutex_;  // of all that follows
  std::condition_variable changed_;
  ProcessStatus status_;
  std::vector<Seen> seen_;  // [size]
  std::optional<Ending> other_;
  bool store_lost_ = false;
  bool hurry_ = false;
  bool leaving_ = false;
  std::thread thread_;  // last: it uses the others
};

}  // namespace sleb
