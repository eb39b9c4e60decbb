#include "sleb/base/processor.h"

#include <fstream>

#include "sleb/base/utf8.h"

namespace sleb {

std::string processor_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return printable(line.substr(colon + 2));
  }
  return "";
}

}  // namespace sleb
