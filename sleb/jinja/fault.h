// How a template goes wrong while it is read or run; whoever knows its file makes an Error of it.
#pragma once

#include <fmt/core.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace sleb::jinja {

// `what()` is for the user, without the place.
class Fault : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// A fault of which the line in the template is known.
class FaultAtLine : public Fault {
 public:
  FaultAtLine(const std::string& what, int line) : Fault(what), line_(line) {}
  int line() const { return line_; }

 private:
  int line_;
};

template <typename... Args>
[[noreturn]] void fault(fmt::format_string<Args...> text, Args&&... args) {
  throw Fault(fmt::format(text, std::forward<Args>(args)...));
}

template <typename... Args>
[[noreturn]] void fault_at(int line, fmt::format_string<Args...> text, Args&&... args) {
  throw FaultAtLine(fmt::format(text, std::forward<Args>(args)...), line);
}

}  // namespace sleb::jinja
