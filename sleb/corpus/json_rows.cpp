#include "sleb/corpus/json_rows.h"

#include <string>

#include "sleb/base/error.h"
#include "sleb/base/progress.h"

namespace sleb {
namespace {

constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";

// A document is held in memory, which takes ten times its size or more.
constexpr size_t largest_document = size_t{256} << 20;

bool begins_array(std::string_view line) {
  const size_t place = line.find_first_not_of(" \t\r\n");
  return place != line.npos && line[place] == '[';
}

void add_to_document(std::string& document, std::string_view line, const std::filesystem::path& path) {
  if (document.size() + line.size() > largest_document) {
    bad_input("{}: is one JSON document of more than {} bytes, which is not read here", path.string(),
              largest_document);
  }
  document += line;
}

}  // namespace

void for_each_json_row(const std::filesystem::path& path, Packing packing, const JsonRows& rows) {
  int64_t number = 0;
  std::string document;
  for_each_line(path, packing, [&](std::string_view line) {
    check_interrupt();
    if (++number == 1 && line.starts_with(byte_order_mark)) line.remove_prefix(byte_order_mark.size());
    if (!document.empty() || (number == 1 && rows.element && begins_array(line))) {
      add_to_document(document, line, path);
    } else {
      rows.line(line, number);
    }
  });
  if (document.empty()) return;
  const Json json = parse_json(document, path.string());
  const JsonView elements(json, path.string());
  for (size_t i = 0; i < elements.size(); ++i) rows.element(elements.at(i));
}

}  // namespace sleb
