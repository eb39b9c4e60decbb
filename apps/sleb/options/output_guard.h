// Keeps what a command writes off what it reads, and off what nobody would want replaced. Every path that a command
// writes passes here before any work.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "apps/sleb/options/session.h"

namespace sleb::app {

class OutputGuard {
 public:
  // What every command reads is the file of --config.
  explicit OutputGuard(const Session& session) { reads(session.config_file); }

  // A file or folder that the command reads, by any of its names; of a folder and of a split GGUF every file too. What
  // is empty or not there is passed over.
  void reads(const std::filesystem::path& input);

  // What an earlier search left, a folder, a GGUF or a JSON file, "" being none: the JSON, and all that it says was
  // written with it.
  void reads_result(const std::filesystem::path& result);

  // A file that `option` ("--json") writes; "" and "-" are none. Throws Error(bad_input) if it is an input, an output
  // already, inside an output folder or a folder itself, if it can't be written, and, unless `replace`, if a regular
  // file with content is there. Devices and pipes are written into.
  void writes_file(std::string_view option, const std::string& path, bool replace);

  // A file that `option` adds to, in a folder that may not be there yet; "" is none. Throws Error(bad_input) as
  // writes_file does, but for a file that is there.
  void adds_to_file(std::string_view option, const std::string& path);

  // Throws Error(bad_input) if `path` is an input.
  void check_no_input(std::string_view option, const std::filesystem::path& path) const;

  // A file that is kept beside the outputs meanwhile. Throws Error(bad_input) if it is an input or another output.
  void keeps_file(std::string_view what, const std::filesystem::path& path);

  // A folder that `option` writes and, where it exists, replaces. Throws Error(bad_input) if it is or holds an input,
  // the working directory, a home directory, a mount point or the root, or if it is a file.
  void writes_folder(std::string_view option, const std::string& path);

  // A checkpoint: a folder, or by its ending a GGUF file with a record, whose parts may get names of their own. Throws
  // Error(bad_input) as writes_folder and writes_file do.
  void writes_checkpoint(std::string_view option, const std::string& path, bool replace);

 private:
  using Identity = std::pair<dev_t, ino_t>;

  void add_input(const std::filesystem::path& file, const std::filesystem::path& named);
  // Throws Error(bad_input) if another output is there, or a folder that is written around it.
  void check_no_output(std::string_view option, const std::string& path) const;
  void check_holds_no(std::string_view option, const std::string& path, const Identity& folder,
                      const std::filesystem::path& kept, std::string_view what) const;

  std::map<Identity, std::filesystem::path> inputs_;  // every file read, and the name that the user gave
  std::vector<std::filesystem::path> input_places_;   // canonical
  std::pair<std::string, std::string> gguf_parts_;    // the option of a GGUF, and how its parts' places begin
  std::vector<std::pair<std::string, std::filesystem::path>> outputs_;  // options, and where they lead
};

}  // namespace sleb::app
