// Standard output and standard error: a result that was not written is an error, a message that was not is none.
#pragma once

#include <fmt/core.h>

#include <string_view>
#include <utility>

namespace sleb::app {

// Call first of all in main. Descriptors 0 to 2 that are closed are opened on /dev/null, so that no file that is opened
// later takes their place; and a pipe whose reader is gone becomes an error of writing instead of a silent end.
void prepare_standard_streams();

// Throws Error(failed) if standard output does not take all of it.
void write_output(std::string_view text);

// Errors are ignored: whoever can't be told of the work still gets its result.
void write_message(std::string_view text);

template <typename... Arguments>
void print(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  write_output(fmt::format(format, std::forward<Arguments>(arguments)...));
}

}  // namespace sleb::app
