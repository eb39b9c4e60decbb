// The one error type of the library. The library never prints and never exits; the command line does both.
#pragma once

#include <fmt/core.h>

#include <stdexcept>
#include <string>
#include <utility>

#include "sleb/base/utf8.h"

namespace sleb {

enum class ErrorKind {
  bad_input,  // what the user gave: a file, an option, a model. Exit code 2.
  failed,     // what went wrong while working: disk full, device lost. Exit code 1.
};

// A message for the user, on one line: what was wrong, where (file, tensor, row), what to do. It may quote what a file
// says, and is made printable().
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(printable(message)), kind_(kind) {}
  ErrorKind kind() const { return kind_; }

 private:
  ErrorKind kind_;
};

// Throws Error(bad_input).
template <typename... Args>
[[noreturn]] void bad_input(fmt::format_string<Args...> text, Args&&... args) {
  throw Error(ErrorKind::bad_input, fmt::format(text, std::forward<Args>(args)...));
}

// Throws Error(failed).
template <typename... Args>
[[noreturn]] void failed(fmt::format_string<Args...> text, Args&&... args) {
  throw Error(ErrorKind::failed, fmt::format(text, std::forward<Args>(args)...));
}

}  // namespace sleb
