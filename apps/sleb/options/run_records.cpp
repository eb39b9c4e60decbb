#include "apps/sleb/options/run_records.h"

#include <filesystem>

#include "sleb/base/error.h"
#include "sleb/base/written_into.h"

namespace sleb::app {
namespace fs = std::filesystem;

bool RecordArguments::wanted() const {
  return (folder || file || save == "True") && save != "False";
}

std::string RecordArguments::path() const {
  if (!wanted()) return "";
  return (fs::path(folder.value_or("sleb_results")) / file.value_or(usual_file)).string();
}

void add_records(CLI::App& command, RecordArguments& arguments) {
  command.add_option("--result-folder", arguments.folder)->group("");
  command.add_option("--result-file", arguments.file)->group("");
  command.add_option("--save-results", arguments.save)->check(CLI::IsMember({"True", "False"}))->group("");
}

void add_measured_results(CLI::App& command, ResultArguments& results, bool& force, RecordArguments& record) {
  add_json(command, results.json, "Write the result");
  add_table_format(command, results.format);
  add_force(command, force);
  add_records(command, record);
}

void guard_record(OutputGuard& guard, const RecordArguments& arguments) {
  if (!arguments.wanted()) return;
  const fs::path path = arguments.path();
  const fs::path name = path.filename();
  if (name.empty() || name == "." || name == "..") {
    bad_input("--result-file \"{}\": is no file's name; give one such as {}", arguments.file.value_or(""),
              arguments.usual_file);
  }
  guard.adds_to_file("--result-file", path.string());
}

void add_record(const RecordArguments& arguments, const std::string& record) {
  const fs::path path = arguments.path();
  if (path.empty()) return;
  std::error_code error;
  if (path.has_parent_path()) fs::create_directories(path.parent_path(), error);
  if (error) failed("{}: can't make the folder: {}", path.parent_path().string(), error.message());
  append_to_file(path, record);
}

}  // namespace sleb::app
