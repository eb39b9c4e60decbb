// What a report looks like.
#pragma once

#include <string>
#include <string_view>

namespace sleb::page {

// Of a page: light or dark as the reader's system is, printed in light colours, on a phone in one column.
std::string page_style();
// Of a picture that is a file of its own: light, without anything that moves.
std::string picture_style();

}  // namespace sleb::page
