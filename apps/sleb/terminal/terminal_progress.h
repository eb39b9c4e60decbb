// Progress on stderr: a bar that redraws itself on a terminal, a line every few seconds elsewhere.
#pragma once

#include <chrono>
#include <string>

#include "sleb/base/progress.h"

namespace sleb::app {

class TerminalProgress : public Progress {
 public:
  TerminalProgress();
  void begin(std::string_view stage, uint64_t total, std::string_view unit) override;
  void advance(uint64_t units) override;
  void end() override;
  void note(std::string_view line) override;

 private:
  using Clock = std::chrono::steady_clock;

  void draw();
  void clear_bar();

  bool terminal_;
  std::string stage_;
  std::string unit_;
  uint64_t total_ = 0;
  uint64_t done_ = 0;
  Clock::time_point start_;
  Clock::time_point last_drawn_;
  bool bar_visible_ = false;
};

}  // namespace sleb::app
