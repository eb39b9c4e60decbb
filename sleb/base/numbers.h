// Numbers as people read them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sleb {

std::string format_count(double count);                     // "134.5 M", "7.24 B"
std::string format_bytes(uint64_t bytes);                   // "269.1 MB" (powers of 1000, as disks and hubs count)
std::string format_seconds(double seconds);                 // "4.2 s", "3 min 05 s", "2 h 07 min"
std::string format_list(const std::vector<int64_t>& list);  // "5,4,9"

}  // namespace sleb
