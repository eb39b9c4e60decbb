// For test_tables.py: tables_dump texts|records FILE... prints for each file a line of JSON, its texts with the
// column's name or its records, or what is wrong with it.
#include <cstdio>
#include <string_view>

#include "sleb/base/error.h"
#include "sleb/corpus/tables/table.h"

namespace {

sleb::Json content(const char* path, bool records) {
  sleb::Json rows = sleb::Json::array();
  if (records) {
    const int64_t total =
        sleb::for_each_record(path, {}, [&](int64_t, sleb::Json record) { rows.push_back(std::move(record)); });
    return {{"total", total}, {"records", std::move(rows)}};
  }
  std::string column = sleb::for_each_text(path, {}, [&](std::string_view text) {
    rows.push_back(std::string(text));
    return true;
  });
  return {{"column", std::move(column)}, {"texts", std::move(rows)}};
}

}  // namespace

int main(int argc, char** argv) {
  for (int i = 2; i < argc; ++i) {
    sleb::Json line;
    try {
      line = content(argv[i], std::string_view(argv[1]) == "records");
    } catch (const sleb::Error& error) {
      line = {{"error", error.what()}};
    }
    std::puts(line.dump().c_str());
    std::fflush(stdout);
  }
}
