#include "sleb/export/output_folder.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>

#include "sleb/base/error.h"
#include "sleb/base/file.h"
#include "sleb/base/json.h"

namespace sleb {
namespace fs = std::filesystem;
namespace {

// What sleb.json says that sleb wrote beside it; nothing where it says nothing.
std::vector<std::string> files_written_to(const fs::path& folder) {
  std::vector<std::string> names;
  try {
    const Json record = parse_json(read_file(folder / "sleb.json", uint64_t{64} << 20), "sleb.json");
    if (!record.contains("removal_list") || !record.contains("files")) return {};
    for (const Json& name : record.at("files")) names.push_back(name.get<std::string>());
  } catch (const std::exception&) {
    return {};
  }
  std::ranges::sort(names);
  return names;
}

}  // namespace

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
  std::ranges::set_difference(files_below(folder), files_written_to(folder), std::back_inserter(foreign));
  if (foreign.empty()) return;
  const size_t shown = std::min<size_t>(foreign.size(), 3);
  bad_input(
      "{}: holds files that sleb did not write, which --force would delete: {}{}; move them, or give another folder",
      target.string(), fmt::join(foreign.begin(), foreign.begin() + static_cast<std::ptrdiff_t>(shown), ", "),
      foreign.size() > shown ? fmt::format(" and {} more", foreign.size() - shown) : "");
}

}  // namespace sleb
