// The members of a config.json that are not read: those that change what transformers computes are refused, those known
// to change nothing pass, and the user hears of the rest.
#pragma once

#include <string>
#include <vector>

#include "sleb/base/json.h"
#include "sleb/checkpoint/families.h"

namespace sleb {

// Throws Error(bad_input) if a member makes transformers compute something that is not known here.
void refuse_other_computation(const JsonView& config, const Family& family);

// One line for the user each. For a configuration that spec_from_config() took.
std::vector<std::string> config_warnings(const JsonView& config, const Family& family);

// Whether code of its own belongs to the configuration.
bool names_own_code(const JsonView& config);

}  // namespace sleb
