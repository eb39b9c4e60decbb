// Files that appear under their names only when all of them are whole.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "sleb/base/file.h"

namespace sleb {

// Files beside `target` (itself, or parts of it) are written into a hidden folder there; commit() renames them to where
// they belong. Without commit() the destructor removes them.
class StagedFiles {
 public:
  // A link is followed. Throws Error(bad_input) if nothing can be written there.
  explicit StagedFiles(const std::filesystem::path& target);

  // Where to write the file of that name meanwhile.
  std::filesystem::path path(const std::string& name) const { return staged_.path() / name; }
  // Where it will be.
  std::filesystem::path final_path(const std::string& name) const;
  // In reverse order, so that who opens the first of several finds the others. Each step is one rename; a regular file
  // in the way is replaced if `replace`, and its permissions stay. Throws Error(failed) if not, or where the disk
  // refuses: what was not there before is not there then.
  void commit(const std::vector<std::string>& names, bool replace);

 private:
  StagedFolder staged_;
};

}  // namespace sleb
