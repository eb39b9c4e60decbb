#include "sleb/engine/plans/devices.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>

#include "sleb/base/error.h"

namespace sleb {
namespace {

constexpr std::string_view numbered = "cuda:";

std::string cuda_device(int64_t index) {
  return fmt::format("{}{}", numbered, index);
}

DeviceChoice numbered_device(const std::string& name, int64_t cuda_devices) {
  int64_t index = -1;
  const char* const end = name.data() + name.size();
  const auto [read, error] = std::from_chars(name.data() + numbered.size(), end, index);
  if (error != std::errc() || read != end || index < 0 || index >= cuda_devices) {
    bad_input("--device {}: there is no such device; this machine has cuda:0 to cuda:{}", name, cuda_devices - 1);
  }
  return {name, {}};
}

}  // namespace

DeviceChoice choose_devices(const std::string& name, int64_t cuda_devices, int64_t local_rank, int64_t local_size) {
  if (name == "cpu" || (name == "auto" && cuda_devices == 0)) return {"cpu", {}};
  if (name != "auto" && name != "cuda" && !name.starts_with(numbered)) {
    bad_input("--device {}: not known; give auto, cpu, cuda or cuda:N", name);
  }
  if (cuda_devices == 0) bad_input("--device {}: libtorch finds no CUDA device here; use --device cpu", name);
  if (name.starts_with(numbered)) return numbered_device(name, cuda_devices);
  if (local_rank >= cuda_devices) {
    bad_input("--device {}: process {} of this machine has none; it has {} CUDA devices", name, local_rank,
              cuda_devices);
  }
  DeviceChoice choice{cuda_device(local_rank), {}};
  for (int64_t index = 1; index < cuda_devices && local_size == 1; ++index) choice.more.push_back(cuda_device(index));
  return choice;
}

std::string device_to_resume(std::string_view device) {
  return std::string(device == "cuda:0" ? "cuda" : device);
}

std::string default_gpu_type(int64_t capability) {
  return capability < 80 ? "float16" : "bfloat16";
}

std::string names_of_cards(std::vector<std::string> names) {
  std::ranges::sort(names);
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return fmt::format("{}", fmt::join(names, " and "));
}

}  // namespace sleb
