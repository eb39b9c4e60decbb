#include "sleb/base/progress.h"

#include <atomic>

namespace sleb {
namespace {

class SilentProgress : public Progress {
 public:
  void begin(std::string_view, uint64_t, std::string_view) override {}
  void advance(uint64_t) override {}
  void end() override {}
  void note(std::string_view) override {}
};

// Set by a signal handler, and by the thread that watches other processes.
std::atomic<bool> interrupted = false;
static_assert(std::atomic<bool>::is_always_lock_free);

}  // namespace

Progress& silent_progress() {
  static SilentProgress progress;
  return progress;
}

void request_interrupt() noexcept {
  interrupted = true;
}

bool interrupt_requested() noexcept {
  return interrupted;
}

void check_interrupt() {
  if (interrupt_requested()) throw Interrupted();
}

}  // namespace sleb
