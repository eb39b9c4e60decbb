// CSV and TSV files, as table.h has them; the first record names the columns.
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

// A text is what stands in the file: "" and "NA" are texts here, and no missing values.
std::string for_each_csv_text(const std::filesystem::path& path, const TextField& field,
                              const std::function<bool(std::string_view text)>& take);
// Types are those of typed_column, over the whole file.
int64_t for_each_csv_record(const std::filesystem::path& path, std::optional<int64_t> limit,
                            const std::function<void(int64_t row, Json record)>& take);

}  // namespace sleb
