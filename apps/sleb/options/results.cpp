#include "apps/sleb/options/results.h"

#include "apps/sleb/terminal/streams.h"
#include "sleb/base/error.h"
#include "sleb/base/file.h"

namespace sleb::app {

const std::string& ResultArguments::table_format() const {
  static const std::string standard = "md";
  return format ? *format : standard;
}

void add_json(CLI::App& command, std::string& json, const std::string& what) {
  command.add_option("--json", json, what + " as JSON (- for stdout)")->type_name("FILE");
}

void add_force(CLI::App& command, bool& force) {
  command.add_flag("--force", force, "Replace files that exist");
}

void add_table_format(CLI::App& command, std::optional<std::string>& format) {
  command.add_option("-o,--output", format, "Table in this form, and nothing else on stdout (default: md)")
      ->check(CLI::IsMember({"md", "csv", "json", "jsonl"}))
      ->type_name("FORMAT");
}

void check_one_output(const ResultArguments& results) {
  if (results.json_to_output() && results.format) {
    bad_input("--json - and -o {} both write to standard output; give --json a file, or leave one of them out",
              *results.format);
  }
}

void write_json(const std::string& path, const OrderedJson& json) {
  const std::string text = json.dump(2) + "\n";
  if (path == "-") {
    write_output(text);
  } else if (!path.empty()) {
    write_file_atomically(path, text);
  }
}

}  // namespace sleb::app
