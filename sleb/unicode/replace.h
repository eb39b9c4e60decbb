// Putting one text in another's place.
#pragma once

#include <string>
#include <string_view>

namespace sleb {

// `text` with `to` in place of every `from`, left to right. An empty `from` stands before, between and behind all
// characters, as in Python and Rust. `text` is valid UTF-8.
std::string replace_all(std::string_view text, std::string_view from, std::string_view to);

}  // namespace sleb
