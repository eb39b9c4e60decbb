// decoding_kernels.cu, in the program.
#pragma once

#include <string_view>

namespace sleb {

extern const std::string_view decoding_kernels_source;

}  // namespace sleb
