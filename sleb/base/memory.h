// How much memory there is.
#pragma once

#include <cstdint>

namespace sleb {

// Bytes that this process may still take without swapping or being killed: what the system calls available
// (/proc/meminfo), or less where a control group (version 1 or 2) or an address-space limit sets a bound.
uint64_t available_memory();

}  // namespace sleb
