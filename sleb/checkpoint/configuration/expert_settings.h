// A mixture's experts, and which blocks have them (ExpertSpec, ModelSpec::dense_blocks).
#pragma once

#include "sleb/checkpoint/configuration/settings.h"

namespace sleb {

// Into `spec`, which has its sizes and what its family assumes of experts. Throws Error(bad_input).
void read_experts(const JsonView& config, const Settings& settings, const Family& family, ModelSpec& spec);

}  // namespace sleb
