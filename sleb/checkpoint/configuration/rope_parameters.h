// The rotary embedding that a config.json describes, by transformers' own precedence (modeling_rope_utils.py).
#pragma once

#include <string>
#include <vector>

#include "sleb/base/json.h"
#include "sleb/checkpoint/model_spec.h"

namespace sleb {

// `spec` has its sizes already. Throws Error(bad_input) for what transformers can't compute with, and for kinds of rope
// that are not known here.
RopeSpec rope_from_config(const JsonView& config, const ModelSpec& spec);

// What rope_from_config() passed over, as transformers does: one line each, for the user. For a configuration that it
// took.
std::vector<std::string> rope_warnings(const JsonView& config);

}  // namespace sleb
