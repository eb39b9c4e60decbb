#include "sleb/base/memory.h"

#include <malloc.h>
#include <sys/resource.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <limits>
#include <optional>
#include <string>

namespace sleb {
namespace {

constexpr uint64_t unbounded = std::numeric_limits<uint64_t>::max();

// A file that holds one number; absent, or "max", where it holds none.
std::optional<uint64_t> number_in(const std::string& path) {
  std::ifstream file(path);
  uint64_t number = 0;
  return file >> number ? std::optional(number) : std::nullopt;
}

// The number behind `name` in a file of lines "NAME NUMBER ...".
std::optional<uint64_t> number_behind(const std::string& name, const std::string& path) {
  std::ifstream file(path);
  for (std::string key; file >> key;) {
    uint64_t number = 0;
    if (key == name) return file >> number ? std::optional(number) : std::nullopt;
    file.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
  }
  return {};
}

std::optional<uint64_t> kilobytes_behind(const std::string& name, const std::string& path) {
  const auto number = number_behind(name, path);
  return number ? std::optional(*number * 1024) : std::nullopt;
}

uint64_t left_of(std::optional<uint64_t> limit, std::optional<uint64_t> used) {
  if (!limit || !used) return unbounded;
  return *limit - std::min(*limit, *used);
}

// As a container sees its own control group, mounted at the root. Pages of files count as used there though they are
// given back when needed.
uint64_t left_in_control_group(const std::string& folder, const char* limit, const char* used, const char* of_files) {
  std::optional<uint64_t> in_use = number_in(folder + used);
  if (in_use) *in_use -= std::min(*in_use, number_behind(of_files, folder + "memory.stat").value_or(0));
  return left_of(number_in(folder + limit), in_use);
}

uint64_t left_in_control_groups() {
  return std::min(left_in_control_group("/sys/fs/cgroup/", "memory.max", "memory.current", "inactive_file"),
                  left_in_control_group("/sys/fs/cgroup/memory/", "memory.limit_in_bytes", "memory.usage_in_bytes",
                                        "total_inactive_file"));
}

uint64_t left_of_address_space() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return unbounded;
  return left_of(uint64_t{limit.rlim_cur}, kilobytes_behind("VmSize:", "/proc/self/status"));
}

}  // namespace

uint64_t available_memory() {
  const uint64_t system = kilobytes_behind("MemAvailable:", "/proc/meminfo").value_or(unbounded);
  return std::min({system, left_in_control_groups(), left_of_address_space()});
}

void set_freed_blocks([[maybe_unused]] FreedBlocks blocks) {
#ifdef __GLIBC__
  // 32 MiB is the largest threshold that glibc takes.
  mallopt(M_MMAP_THRESHOLD, blocks == FreedBlocks::kept ? 32 << 20 : 128 << 10);
  mallopt(M_TRIM_THRESHOLD, blocks == FreedBlocks::kept ? 1 << 30 : 128 << 10);
#endif
}

void give_back_freed() {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

}  // namespace sleb
