// How long work reports where it is, and how it is told to stop. The library knows no terminal: the command line
// implements Progress.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace sleb {

class Progress {
 public:
  virtual ~Progress() = default;
  // A stage of `total` units begins ("round 1 of 6", 57344, "tokens"); it ends with end() or the next begin().
  virtual void begin(std::string_view stage, uint64_t total, std::string_view unit) = 0;
  virtual void advance(uint64_t units) = 0;
  virtual void end() = 0;
  // A finished result worth a line of its own.
  virtual void note(std::string_view line) = 0;
};

// A Progress that shows nothing.
Progress& silent_progress();

// Thrown by check_interrupt() after request_interrupt(). The message is for the user.
class Interrupted : public std::runtime_error {
 public:
  explicit Interrupted(const std::string& message = "stopped before the end; nothing was written")
      : std::runtime_error(message) {}
};

void request_interrupt() noexcept;  // safe in a signal handler and from any thread
bool interrupt_requested() noexcept;
void check_interrupt();  // called between chunks of long work

}  // namespace sleb
