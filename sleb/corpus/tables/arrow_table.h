// Parquet and Arrow files, as table.h has them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "sleb/base/json.h"
#include "sleb/corpus/tables/table.h"

namespace sleb {

std::string for_each_arrow_text(const std::filesystem::path& path, const TextField& field,
                                const std::function<bool(std::string_view text)>& take);
int64_t for_each_arrow_record(const std::filesystem::path& path, std::optional<int64_t> limit,
                              const std::function<void(int64_t row, Json record)>& take);

}  // namespace sleb
