// Model types of transformers that sleb does not run, with the reason.
#pragma once

#include <string_view>

namespace sleb {

// "has blocks that are not attention and MLP ..."; empty for a type that is not on the list.
std::string_view reason_of_refusal(std::string_view model_type);

}  // namespace sleb
