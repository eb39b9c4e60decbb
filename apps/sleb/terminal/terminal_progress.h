// Progress on stderr: a bar that redraws itself on a terminal, a line every few seconds elsewhere.
#pragma once

#include <chrono>
#include <csignal>
#include <string>

#include "sleb/base/progress.h"

namespace sleb::app {

// Whether a bar stands on the terminal's last line: for signal handlers.
extern volatile std::sig_atomic_t bar_on_screen;

class TerminalProgress : public Progress {
 public:
  TerminalProgress();
  void begin(std::string_view stage, uint64_t total, std::string_view unit) override;
  void advance(uint64_t units) override;
  void end() override;
  void note(std::string_view line) override;

 private:
  using Clock = std::chrono::steady_clock;

  std::string line(size_t width) const;
  void draw();
  std::string erasure() const;
  void clear_bar();

  bool terminal_;
  std::string stage_;
  std::string unit_;
  uint64_t total_ = 0;
  uint64_t done_ = 0;
  Clock::time_point start_;
  Clock::time_point last_drawn_;
  size_t drawn_columns_ = 0;  // of the bar on the terminal; 0: there is none
};

}  // namespace sleb::app
