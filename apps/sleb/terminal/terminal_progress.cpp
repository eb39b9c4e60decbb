#include "apps/sleb/terminal/terminal_progress.h"

#include <fmt/core.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "sleb/base/numbers.h"

namespace sleb::app {
namespace {

constexpr double seconds_before_first_bar = 0.5;
constexpr double seconds_between_bars = 0.1;
constexpr double seconds_between_lines = 5;

size_t terminal_width() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
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
  const double pause = !terminal_     ? seconds_between_lines
                       : bar_visible_ ? seconds_between_bars
                                      : seconds_before_first_bar;
  if (total_ == 0 || seconds(now - last_drawn_) < pause) return;
  last_drawn_ = now;
  draw();
}

void TerminalProgress::draw() {
  const double elapsed = std::max(1e-9, seconds(last_drawn_ - start_));
  const double share = static_cast<double>(done_) / static_cast<double>(total_);
  const double rate = static_cast<double>(done_) / elapsed;
  const std::string left = done_ > 0 ? format_seconds(elapsed / share - elapsed) + " left" : "starting";
  const std::string figures =
      fmt::format("{:3.0f}%  {:.{}f} {}/s  {}", 100 * share, rate, rate < 10 ? 1 : 0, unit_, left);
  if (!terminal_) {
    fmt::print(stderr, "{}: {}\n", stage_, figures);
    return;
  }
  const size_t fixed = stage_.size() + figures.size() + 6;
  const size_t width = std::min<size_t>(40, std::max<size_t>(terminal_width(), fixed + 8) - fixed);
  const auto filled = static_cast<size_t>(share * static_cast<double>(width));
  std::string line =
      fmt::format("{} [{}{}] {}", stage_, std::string(filled, '#'), std::string(width - filled, '.'), figures);
  line.resize(std::min(line.size(), terminal_width() - 1));
  fmt::print(stderr, "\r{}\x1b[K", line);
  std::fflush(stderr);
  bar_visible_ = true;
}

void TerminalProgress::clear_bar() {
  if (!bar_visible_) return;
  fmt::print(stderr, "\r\x1b[K");
  std::fflush(stderr);
  bar_visible_ = false;
}

void TerminalProgress::end() {
  clear_bar();
  total_ = 0;
}

void TerminalProgress::note(std::string_view line) {
  clear_bar();
  fmt::print(stderr, "{}\n", line);
}

}  // namespace sleb::app
