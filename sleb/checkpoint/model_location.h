// Where the model is that a user's path leads to, by what the files hold and not by their names.
#pragma once

#include <filesystem>

namespace sleb {

struct ModelLocation {
  std::filesystem::path path;  // the folder, or the GGUF file
  bool is_gguf = false;
};

// A folder with config.json or safetensors; a file that begins as a GGUF does, whatever its name; or a folder whose
// only model is one GGUF, split perhaps. Throws Error(bad_input) for anything else, and for a folder with several
// GGUFs, naming them.
ModelLocation locate_model(const std::filesystem::path& path);

// Whether a file is called as GGUFs are, ".gguf" at the end in letters of either case.
bool has_gguf_ending(const std::filesystem::path& path);
// Whether the file begins as a GGUF does. False for what can't be read.
bool is_gguf_file(const std::filesystem::path& path);

}  // namespace sleb
