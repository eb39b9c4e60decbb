// What the fuzz targets share. A reader is right if it returns or throws sleb::Error; anything else that comes out of
// LLVMFuzzerTestOneInput is a finding.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>

#include "sleb/base/error.h"

namespace sleb::fuzzing {

inline std::string_view text_of(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// The readers take paths: files in a folder of this process, which lies in memory where run.py puts TMPDIR there.
// run.py removes it too: libFuzzer ends without destructors.
class Scratch {
 public:
  Scratch() {
    std::string name = (std::filesystem::temp_directory_path() / "sleb-fuzz-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("can't make a folder in " + name);
    folder_ = name;
  }
  const std::filesystem::path& folder() const { return folder_; }
  std::filesystem::path write(std::string_view name, std::string_view content) const {
    std::ofstream(folder_ / name, std::ios::binary | std::ios::trunc) << content;
    return folder_ / name;
  }

 private:
  std::filesystem::path folder_;
};

// Whether `action` came to its end; false if it refused the input.
template <typename Action>
bool accepts(const Action& action) {
  try {
    action();
    return true;
  } catch (const Error&) {
    return false;
  }
}

}  // namespace sleb::fuzzing
