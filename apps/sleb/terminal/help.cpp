#include "apps/sleb/terminal/help.h"

#include <sstream>

namespace sleb::app {
namespace {

constexpr size_t terminal_columns = 80;

std::string broken_into_lines(const std::string& text, size_t width) {
  std::istringstream words(text);
  std::string lines;
  size_t used = 0;
  for (std::string word; words >> word; used += word.size()) {
    if (used > 0) {
      const bool fits = used + 1 + word.size() <= width;
      lines += fits ? ' ' : '\n';
      used = fits ? used + 1 : 0;
    }
    lines += word;
  }
  return lines;
}

}  // namespace

std::string HelpFormatter::make_option_desc(const CLI::Option* option) const {
  return broken_into_lines(option->get_description(), terminal_columns - column_width_);
}

std::string HelpFormatter::make_subcommand(const CLI::App* command) const {
  const std::string description = broken_into_lines(command->get_description(), terminal_columns - column_width_);
  std::ostringstream out;
  CLI::detail::format_help(out, command->get_name(), description, column_width_);
  return out.str();
}

}  // namespace sleb::app
