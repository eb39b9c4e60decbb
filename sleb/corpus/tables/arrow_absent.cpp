// In the place of arrow_table.cpp in a build without Arrow.
#include "sleb/base/error.h"
#include "sleb/corpus/tables/arrow_table.h"

namespace sleb {
namespace {

[[noreturn]] void refuse(const std::filesystem::path& path) {
  bad_input(
      "{}: this sleb was built without Arrow (SLEB_ARROW=OFF) and reads no Parquet and Arrow files; write the rows as "
      ".jsonl",
      path.string());
}

}  // namespace

std::string for_each_arrow_text(const std::filesystem::path& path, const TextField&,
                                const std::function<bool(std::string_view)>&) {
  refuse(path);
}

int64_t for_each_arrow_record(const std::filesystem::path& path, std::optional<int64_t>,
                              const std::function<void(int64_t, Json)>&) {
  refuse(path);
}

}  // namespace sleb
