// tasks.json, made part of the program (CMakeLists.txt).
#pragma once

#include <string_view>

namespace sleb {

extern const std::string_view built_in_tasks_json;

}  // namespace sleb
