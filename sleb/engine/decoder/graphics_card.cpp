#include "sleb/engine/decoder/graphics_card.h"

#include <dlfcn.h>

#include <array>
#include <vector>

namespace sleb {
namespace {

// Of cuda.h, whose interface does not change.
constexpr int capability_major = 75;  // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR
constexpr int capability_minor = 76;
constexpr int success = 0;

using Init = int(unsigned flags);
using DeviceGet = int(int* device, int ordinal);
using DeviceGetName = int(char* name, int length, int device);
using DeviceGetAttribute = int(int* value, int attribute, int device);

template <typename Function>
Function* function_of(void* library, const char* name) {
  return reinterpret_cast<Function*>(::dlsym(library, name));
}

}  // namespace

std::optional<GraphicsCard> graphics_card(int64_t index) {
  void* const driver = ::dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL);  // libtorch has it loaded already
  if (driver == nullptr) return {};
  auto* const init = function_of<Init>(driver, "cuInit");
  auto* const device_get = function_of<DeviceGet>(driver, "cuDeviceGet");
  auto* const device_get_name = function_of<DeviceGetName>(driver, "cuDeviceGetName");
  auto* const device_get_attribute = function_of<DeviceGetAttribute>(driver, "cuDeviceGetAttribute");
  if (init == nullptr || device_get == nullptr || device_get_name == nullptr || device_get_attribute == nullptr) {
    return {};
  }
  int device = 0, major = 0, minor = 0;
  std::array<char, 256> name{};
  if (init(0) != success || device_get(&device, static_cast<int>(index)) != success ||
      device_get_name(name.data(), name.size() - 1, device) != success ||
      device_get_attribute(&major, capability_major, device) != success ||
      device_get_attribute(&minor, capability_minor, device) != success) {
    return {};
  }
  return GraphicsCard{name.data(), int64_t{10} * major + minor};
}

int64_t capability_of_card(int64_t index) {
  static const std::vector<int64_t> all = [] {
    std::vector<int64_t> capabilities;
    while (const auto card = graphics_card(static_cast<int64_t>(capabilities.size()))) {
      capabilities.push_back(card->capability);
    }
    return capabilities;
  }();
  const auto place = static_cast<size_t>(index);
  return place < all.size() ? all[place] : GraphicsCard{}.capability;
}

}  // namespace sleb
