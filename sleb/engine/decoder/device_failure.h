// What libtorch throws, in the library's own terms: every function of the engine that others call and that computes
// with tensors ends with it, as the handler of its function try block.
#pragma once

#include <c10/util/Exception.h>

#include <string_view>

namespace sleb {

// Throws Error(failed): what was being done, on which device ("cuda:0"), the first line of what libtorch says, and if
// memory was short, what to give less of.
[[noreturn]] void device_failed(std::string_view what, std::string_view device, const c10::Error& error);

}  // namespace sleb
