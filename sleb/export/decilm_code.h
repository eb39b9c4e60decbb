// The Python code of a model whose blocks lack halves, as text (remote_code/).
#pragma once

#include <string_view>

namespace sleb {

extern const std::string_view decilm_configuration;
extern const std::string_view decilm_modeling;

}  // namespace sleb
