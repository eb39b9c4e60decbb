#include "apps/sleb/terminal/terminal_text.h"

#include <sys/ioctl.h>
#include <unistd.h>
#include <utf8proc.h>

#include <algorithm>

#include "sleb/base/utf8.h"

namespace sleb::app {
namespace {

constexpr std::string_view divider = " | ";

int width_of(std::string_view text) {
  int width = 0;
  for (size_t i = 0; i < text.size(); i += character_size(text[i])) {
    width += utf8proc_charwidth(static_cast<utf8proc_int32_t>(first_character(text.substr(i))));
  }
  return width;
}

// Bytes at the beginning of `line` that fit into `width` columns, at least one character.
size_t fitting(std::string_view line, int width) {
  size_t end = 0;
  for (int used = 0; end < line.size(); end += character_size(line[end])) {
    used += utf8proc_charwidth(static_cast<utf8proc_int32_t>(first_character(line.substr(end))));
    if (used > width && end > 0) break;
  }
  return end;
}

std::string padded(std::string text, int width) {
  text.append(static_cast<size_t>(std::max(0, width - width_of(text))), ' ');
  return text;
}

}  // namespace

std::string terminal_text(std::string_view text) {
  std::string shown;
  for (size_t i = 0; i < text.size();) {
    const size_t size = std::max<size_t>(1, utf8_character(text.substr(i)));
    const std::string_view character = text.substr(i, size);
    shown += character == "\n" || character == "\t" ? std::string(character) : printable(character);
    i += size;
  }
  return shown;
}

int terminal_width() {
  winsize size = {};
  const bool known = ::isatty(STDOUT_FILENO) != 0 && ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0;
  return known ? size.ws_col : 0;
}

std::vector<std::string> wrapped(std::string_view text, int width) {
  std::vector<std::string> lines;
  while (true) {
    const size_t line_end = text.find('\n');
    std::string line(text.substr(0, line_end));
    for (size_t tab = line.find('\t'); tab != line.npos; tab = line.find('\t')) line.replace(tab, 1, "    ");
    std::string_view rest = line;
    while (width_of(rest) > width) {
      const size_t fits = fitting(rest, width);
      const size_t blank = rest.substr(0, fits + 1).rfind(' ');
      const bool at_blank = blank != rest.npos && blank > 0;
      lines.emplace_back(rest.substr(0, at_blank ? blank : fits));
      rest.remove_prefix(at_blank ? blank + 1 : fits);
    }
    lines.emplace_back(rest);
    if (line_end == text.npos) return lines;
    text.remove_prefix(line_end + 1);
  }
}

std::string side_by_side(const std::string& left_title, std::string_view left, const std::string& right_title,
                         std::string_view right, int width) {
  const int column = std::max(1, (width - static_cast<int>(divider.size())) / 2);
  const auto lines_of = [&](const std::string& title, std::string_view text) {
    std::vector<std::string> lines = wrapped(title, column);
    lines.push_back(std::string(static_cast<size_t>(column), '-'));
    const std::vector<std::string> body = wrapped(text, column);
    lines.insert(lines.end(), body.begin(), body.end());
    return lines;
  };
  const std::vector<std::string> left_lines = lines_of(left_title, left), right_lines = lines_of(right_title, right);
  std::string shown;
  for (size_t i = 0; i < std::max(left_lines.size(), right_lines.size()); ++i) {
    shown += padded(i < left_lines.size() ? left_lines[i] : "", column);
    shown += divider;
    shown += i < right_lines.size() ? right_lines[i] : "";
    while (shown.ends_with(' ')) shown.pop_back();
    shown += '\n';
  }
  return shown;
}

}  // namespace sleb::app
