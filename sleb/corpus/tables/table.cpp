#include "sleb/corpus/tables/table.h"

#include "sleb/corpus/tables/arrow_table.h"
#include "sleb/corpus/tables/csv_table.h"

namespace sleb {
namespace {

bool is_csv(const std::filesystem::path& path) {
  return path.extension() == ".csv" || path.extension() == ".tsv";
}

}  // namespace

bool is_table(const std::filesystem::path& path) {
  return is_csv(path) || path.extension() == ".parquet" || path.extension() == ".arrow";
}

std::string for_each_text(const std::filesystem::path& path, const TextField& field,
                          const std::function<bool(std::string_view text)>& take) {
  return is_csv(path) ? for_each_csv_text(path, field, take) : for_each_arrow_text(path, field, take);
}

int64_t for_each_record(const std::filesystem::path& path, std::optional<int64_t> limit,
                        const std::function<void(int64_t row, Json record)>& take) {
  return is_csv(path) ? for_each_csv_record(path, limit, take) : for_each_arrow_record(path, limit, take);
}

}  // namespace sleb
