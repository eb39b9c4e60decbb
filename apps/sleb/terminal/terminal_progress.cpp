#include "apps/sleb/terminal/terminal_progress.h"

#include <fmt/core.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>

#include "apps/sleb/terminal/streams.h"
#include "sleb/base/numbers.h"

namespace sleb::app {

volatile std::sig_atomic_t bar_on_screen = 0;

namespace {

constexpr double seconds_before_first_bar = 0.5;
constexpr double seconds_between_bars = 0.1;
constexpr double seconds_between_lines = 5;

size_t terminal_width() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

double seconds(std::chrono::steady_clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

TerminalProgress::TerminalProgress() : terminal_(::isatty(STDERR_FILENO) == 1) {}

void TerminalProgress::begin(std::string_view stage, uint64_t total, std::string_view unit) {
  end();
  stage_ = stage;
  unit_ = unit;
  total_ = total;
  done_ = 0;
  start_ = last_drawn_ = Clock::now();
}

void TerminalProgress::advance(uint64_t units) {
  done_ = std::min(done_ + units, total_);
  const auto now = Clock::now();
  const double pause = !terminal_           ? seconds_between_lines
                       : drawn_columns_ > 0 ? seconds_between_bars
                                            : seconds_before_first_bar;
  if (total_ == 0 || seconds(now - last_drawn_) < pause) return;
  last_drawn_ = now;
  draw();
}

// The fullest form that a line of `width` columns holds; the share stays whatever has to go.
std::string TerminalProgress::line(size_t width) const {
  const double elapsed = std::max(1e-9, seconds(last_drawn_ - start_));
  const double share = static_cast<double>(done_) / static_cast<double>(total_);
  const double rate = static_cast<double>(done_) / elapsed;
  const std::string percent = fmt::format("{:3.0f}%", 100 * share);
  const std::string speed = fmt::format("  {:.{}f} {}/s", rate, rate < 10 ? 1 : 0, unit_);
  const std::string left = "  " + (done_ > 0 ? format_seconds(elapsed / share - elapsed) + " left" : "starting");
  if (!terminal_) return fmt::format("{}: {}{}{}", stage_, percent, speed, left);
  constexpr size_t narrowest_bar = 8;
  for (const std::string& figures :
       {fmt::format("{}{}{}", percent, speed, left), fmt::format("{}{}", percent, left), percent}) {
    const size_t fixed = stage_.size() + figures.size() + 4;  // blanks and brackets
    if (fixed + narrowest_bar > width) continue;
    const size_t bar = std::min<size_t>(40, width - fixed);
    const auto filled = static_cast<size_t>(share * static_cast<double>(bar));
    return fmt::format("{} [{}{}] {}", stage_, std::string(filled, '#'), std::string(bar - filled, '.'), figures);
  }
  const size_t room = width > percent.size() ? width - percent.size() - 1 : 0;
  return fmt::format("{:.{}}{}{}", stage_, room, room > 0 ? " " : "", percent).substr(0, width);
}

void TerminalProgress::draw() {
  if (!terminal_) {
    write_message(line(0) + "\n");
    return;
  }
  const std::string text = line(terminal_width() - 1);
  write_message(erasure() + text);
  drawn_columns_ = text.size();
  bar_on_screen = 1;
}

// A terminal that became narrower has broken the bar into several rows.
std::string TerminalProgress::erasure() const {
  const size_t rows_above = drawn_columns_ == 0 ? 0 : (drawn_columns_ - 1) / terminal_width();
  return (rows_above > 0 ? fmt::format("\x1b[{}A", rows_above) : "") + "\r\x1b[J";
}

void TerminalProgress::clear_bar() {
  if (drawn_columns_ == 0) return;
  write_message(erasure());
  drawn_columns_ = 0;
  bar_on_screen = 0;
}

void TerminalProgress::end() {
  clear_bar();
  total_ = 0;
}

void TerminalProgress::note(std::string_view line) {
  clear_bar();
  write_message(fmt::format("{}\n", line));
}

}  // namespace sleb::app
