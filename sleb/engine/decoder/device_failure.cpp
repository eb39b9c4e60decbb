#include "sleb/engine/decoder/device_failure.h"

#include <algorithm>
#include <array>
#include <string>

#include "sleb/base/error.h"

namespace sleb {
namespace {

// The rest is a stack trace, or advice for those who write the program.
std::string first_sentences(const c10::Error& error) {
  const std::string text = error.what_without_backtrace();
  const size_t end =
      std::min({text.find('\n'), text.find(" If reserved but unallocated"), text.find(" See documentation")});
  return text.substr(0, end);
}

// libtorch has a type for it on CUDA alone; OwnPages says it as device_failure_test.cpp does.
bool is_of_memory(const c10::Error& error, std::string_view text) {
  constexpr std::array says = {"can't allocate memory", "not enough memory", "there is no memory", "out of memory",
                               "ALLOC_FAILED"};
  return dynamic_cast<const c10::OutOfMemoryError*>(&error) != nullptr ||
         std::ranges::any_of(says, [&](const char* words) { return text.find(words) != std::string_view::npos; });
}

}  // namespace

void device_failed(std::string_view what, std::string_view device, const c10::Error& error) {
  const std::string text = first_sentences(error);
  if (!is_of_memory(error, text)) failed("{}: {} failed: {}", what, device, text);
  failed("{}: the memory of {} does not suffice: {}; give less --weights-memory, and to a search less --state-memory",
         what, device, text);
}

}  // namespace sleb
