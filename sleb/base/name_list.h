// Lists of names in messages.
#pragma once

#include <fmt/ranges.h>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>

namespace sleb {

// "a, b, c", or of more than `most` the first of them and ", ...".
inline std::string list_of(std::span<const std::string> names, size_t most) {
  const auto shown = names.first(std::min(names.size(), most));
  return fmt::format("{}{}", fmt::join(shown, ", "), names.size() > most ? ", ..." : "");
}

}  // namespace sleb
