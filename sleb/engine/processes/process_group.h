// The processes that work on one thing together, each with the whole model and text: all take the same decisions from
// the same numbers, which they exchange here; rank 0 alone talks to the user and writes. If one ends before the work is
// done, all others end too.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sleb/base/error.h"
#include "sleb/base/progress.h"
#include "sleb/base/torchrun_environment.h"

namespace sleb {

class KeyValueStore;

// How a process ended before the work was done.
enum class EndKind { stopped, bad_input, failed };
struct Ending {
  int64_t rank;  // where it began; -1: nobody's, the store's
  EndKind kind;
  std::string message;
  bool told = true;  // by that process itself; false: the others noticed

  std::string text() const;  // "rank 1 ended: disk full"
  bool operator==(const Ending&) const = default;
};

// Thrown where the cause is another process's end.
class OtherEnded : public Error {
 public:
  explicit OtherEnded(const Ending& ending) : OtherEnded(ending, ending.text()) {}
  OtherEnded(Ending ending, const std::string& text)
      : Error(ending.kind == EndKind::bad_input ? ErrorKind::bad_input : ErrorKind::failed, text),
        ending_(std::move(ending)) {}
  const Ending& ending() const { return ending_; }

 private:
  Ending ending_;
};

class ProcessGroup {
 public:
  struct Options {
    int64_t rank = 0;
    int64_t size = 1;
    std::string prefix;                                // of all keys: two runs may share one store
    bool store_of_rank_0 = false;                      // it ends with that process
    std::chrono::milliseconds beat{1000};              // between signs of life
    std::chrono::milliseconds silence{20'000};         // after which a process counts as lost
    std::chrono::milliseconds joining{120'000};        // within which all have to come
    std::chrono::milliseconds wait_for_endings{5000};  // that an end waits for the others' at most
    std::function<void()> stop = &request_interrupt;   // called, by another thread, when another process has ended
  };

  // Joins the run's others. Throws Error(failed) if they don't come.
  static std::unique_ptr<ProcessGroup> join(const TorchrunEnvironment& environment);
  // `exchange` is used by this object's user's thread, `watch` by one of its own, which gives signs of life and looks
  // at those of the others.
  ProcessGroup(Options options, std::unique_ptr<KeyValueStore> exchange, std::unique_ptr<KeyValueStore> watch);
  ~ProcessGroup();

  int64_t rank() const;
  int64_t size() const;
  bool leads() const { return rank() == 0; }

  // Every process calls these, in the same order. They throw what check() throws.
  std::vector<std::string> all_gather(const std::string& own);  // [size]
  std::string broadcast(const std::string& of_rank_0);          // what rank 0 passed; the others' is not looked at
  // Throws Error(bad_input), naming the rank, if `value` is not the same everywhere.
  void agree(const std::string& name, const std::string& value);

  // Throws OtherEnded if another process has ended or is lost, Interrupted if this one is to stop. Costs nothing.
  void check() const;
  std::optional<Ending> other_ended() const;

  // After the work: waits for rank 0's end, which may still have to write the result. Throws what check() throws.
  void finish();
  // Before the work is done: the others end, too. True: this process is the one to tell the user of it.
  bool end(const Ending& ending);

 private:
  class Members;
  std::unique_ptr<Members> members_;
};

}  // namespace sleb
