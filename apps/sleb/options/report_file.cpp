#include "apps/sleb/options/report_file.h"

#include <algorithm>
#include <filesystem>

#include "sleb/base/error.h"
#include "sleb/base/file.h"
#include "sleb/base/json.h"

namespace sleb::app {
namespace {

std::string ending_of(const std::string& file) {
  std::string ending = std::filesystem::path(file).extension().string();
  std::ranges::transform(ending, ending.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return ending == ".htm" ? ".html" : ending;
}

std::string short_name(const std::filesystem::path& file) {
  std::filesystem::path path = file;
  if (!path.has_filename()) path = path.parent_path();  // "folder/"
  if (path.filename() == "sleb.json" && path.has_parent_path()) path = path.parent_path();
  return path.extension() == ".json" ? path.stem().string() : path.filename().string();
}

}  // namespace

void check_report_file(std::string_view option, const std::string& file) {
  const std::string ending = ending_of(file);
  if (ending == ".html" || ending == ".svg" || ending == ".json") return;
  if (ending == ".png") {
    bad_input(
        "{} {}: sleb draws no PNG; write an .svg, and make one of it with rsvg-convert --zoom 2 FILE.svg -o FILE.png",
        option, file);
  }
  bad_input("{} {}: the ending says what is written; give one of .html, .svg and .json", option, file);
}

bool is_report(const std::string& file) {
  constexpr uint64_t largest_report = uint64_t{256} << 20;
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(file, ignored)) return false;
  const std::string text = read_file(file, largest_report);
  const std::string ending = ending_of(file);
  if (ending == ".html") return text.find("<meta name=\"generator\" content=\"sleb\">") != std::string::npos;
  if (ending == ".svg") return text.find("<metadata>sleb</metadata>") != std::string::npos;
  try {
    const Json json = parse_json(text, file);
    const JsonView first = JsonView(json, file).at("results").at(size_t{0});
    return first.has("sentence") && first.has("removal_list");
  } catch (const Error&) {
    return false;
  }
}

void add_report_file(CLI::App& command, std::string& file) {
  command
      .add_option("--report", file,
                  "Write a page that shows the result: .html; or its pictures, .svg; or its numbers, .json")
      ->type_name("FILE");
}

void write_report(const std::string& file, const OrderedJson& result) {
  if (file.empty()) return;
  const Json json = parse_json(result.dump(), "the result");
  const result::PruneResult read = result::prune_result(JsonView(json, "the result"));
  const page::NamedResult one{"", &read};
  write_file_atomically(file, report_text(file, std::span(&one, 1)));
}

std::string picture_of(const OrderedJson& result, const RemovalList& removed, int64_t num_blocks) {
  try {
    const Json json = parse_json(result.dump(), "the result");
    return page::picture_of(result::prune_result(JsonView(json, "the result")));
  } catch (const Error&) {  // a model beyond what a map can show: no reason not to write it
    return page::picture_of(removed, num_blocks);
  }
}

std::string report_text(const std::string& file, std::span<const page::NamedResult> results) {
  const std::string ending = ending_of(file);
  if (ending == ".json") return page::numbers_of(results).dump(2) + "\n";
  return ending == ".svg" ? page::picture_of(results) : page::page_of(results);
}

std::vector<std::string> names_of(std::span<const std::string> files) {
  std::vector<std::string> names;
  for (const std::string& file : files) names.push_back(short_name(file));
  std::vector<std::string> unique = names;
  for (size_t i = 0; i < names.size(); ++i) {
    if (std::ranges::count(names, names[i]) > 1 || names[i].empty()) unique[i] = files[i];
  }
  return unique;
}

}  // namespace sleb::app
