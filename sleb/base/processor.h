// What the machine computes with.
#pragma once

#include <string>

namespace sleb {

// The processor's name as the kernel has it (/proc/cpuinfo), made printable; "" where it has none.
std::string processor_name();

}  // namespace sleb
