#include "sleb/export/output_folder.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>

#include "sleb/base/error.h"
#include "sleb/base/file.h"
#include "sleb/base/json.h"
#include "sleb/export/gguf/gguf_output.h"

namespace sleb {
namespace fs = std::filesystem;

fs::path record_of(const fs::path& out) {
  const fs::path target = followed(out);
  if (!is_gguf_output(out)) return target / "sleb.json";
  return target.parent_path() / (name_of_gguf(target) + ".sleb.json");
}

std::vector<std::string> files_in_record(const fs::path& record) {
  std::vector<std::string> names;
  try {
    const Json json = parse_json(read_file(record, uint64_t{64} << 20), record.string());
    if (!json.contains("removal_list") || !json.contains("files")) return {};
    for (const Json& name : json.at("files")) names.push_back(name.get<std::string>());
  } catch (const std::exception&) {
    return {};
  }
  std::ranges::sort(names);
  return names;
}

std::vector<std::string> files_below(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_directory() || entry.is_symlink()) names.push_back(entry.path().lexically_relative(folder).string());
  }
  std::ranges::sort(names);
  return names;
}

void check_replaceable(const fs::path& target) {
  const fs::path folder = followed(target);
  if (!fs::is_directory(folder) || fs::is_empty(folder)) return;
  std::vector<std::string> foreign;
  std::ranges::set_difference(files_below(folder), files_in_record(folder / "sleb.json"), std::back_inserter(foreign));
  if (foreign.empty()) return;
  const size_t shown = std::min<size_t>(foreign.size(), 3);
  bad_input(
      "{}: holds files that sleb did not write, which --force would delete: {}{}; move them, or give another folder",
      target.string(), fmt::join(foreign.begin(), foreign.begin() + static_cast<std::ptrdiff_t>(shown), ", "),
      foreign.size() > shown ? fmt::format(" and {} more", foreign.size() - shown) : "");
}

}  // namespace sleb
