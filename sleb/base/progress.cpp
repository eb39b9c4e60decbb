#include "sleb/base/progress.h"

#include <csignal>

namespace sleb {
namespace {

class SilentProgress : public Progress {
 public:
  void begin(std::string_view, uint64_t, std::string_view) override {}
  void advance(uint64_t) override {}
  void end() override {}
  void note(std::string_view) override {}
};

volatile std::sig_atomic_t interrupted = 0;

}  // namespace

Progress& silent_progress() {
  static SilentProgress progress;
  return progress;
}

void request_interrupt() noexcept {
  interrupted = 1;
}

bool interrupt_requested() noexcept {
  return interrupted != 0;
}

void check_interrupt() {
  if (interrupt_requested()) throw Interrupted();
}

}  // namespace sleb
