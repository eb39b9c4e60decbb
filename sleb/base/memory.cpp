#include "sleb/base/memory.h"

#include <malloc.h>
#include <sys/resource.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <limits>
#include <optional>
#include <string>
#include <utility>

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

MemoryBound left_of(std::string name, std::optional<uint64_t> limit, std::optional<uint64_t> used) {
  if (!limit || !used) return {"", 0, unbounded};
  return {std::move(name), *used, *limit - std::min(*limit, *used)};
}

// As a container sees its own control group, mounted at the root. Pages of files count as used there though they are
// given back when needed.
MemoryBound left_in_control_group(const std::string& folder, const char* limit, const char* used,
                                  const char* of_files) {
  std::optional<uint64_t> in_use = number_in(folder + used);
  if (in_use) *in_use -= std::min(*in_use, number_behind(of_files, folder + "memory.stat").value_or(0));
  return left_of("the control group's limit", number_in(folder + limit), in_use);
}

MemoryBound left_of_resource(std::string name, __rlimit_resource resource, const std::string& used) {
  rlimit limit{};
  if (::getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return {"", 0, unbounded};
  return left_of(std::move(name), uint64_t{limit.rlim_cur}, kilobytes_behind(used, "/proc/self/status"));
}

}  // namespace

MemoryBound tightest_memory_bound() {
  const MemoryBound bounds[] = {
      {"", 0, kilobytes_behind("MemAvailable:", "/proc/meminfo").value_or(unbounded)},
      left_in_control_group("/sys/fs/cgroup/", "memory.max", "memory.current", "inactive_file"),
      left_in_control_group("/sys/fs/cgroup/memory/", "memory.limit_in_bytes", "memory.usage_in_bytes",
                            "total_inactive_file"),
      left_of_resource("ulimit -v", RLIMIT_AS, "VmSize:"),
      left_of_resource("ulimit -d", RLIMIT_DATA, "VmData:")};
  return *std::ranges::min_element(bounds, {}, &MemoryBound::free);
}

uint64_t available_memory() {
  return tightest_memory_bound().free;
}

ProcessMemory process_memory() {
  return {kilobytes_behind("VmRSS:", "/proc/self/status").value_or(0),
          kilobytes_behind("VmHWM:", "/proc/self/status").value_or(0)};
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
