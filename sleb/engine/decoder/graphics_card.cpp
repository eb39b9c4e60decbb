#include "sleb/engine/decoder/graphics_card.h"

#include <array>
#include <vector>

#include "sleb/engine/decoder/dynamic_library.h"

namespace sleb {
namespace {

// Of cuda.h, whose interface does not change.
constexpr int capability_major = 75;  // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR
constexpr int capability_minor = 76;
constexpr int no_error = 0;

using Init = int(unsigned flags);
using DeviceGet = int(int* device, int ordinal);
using DeviceGetName = int(char* name, int length, int device);
using DeviceGetAttribute = int(int* value, int attribute, int device);

}  // namespace

std::optional<GraphicsCard> graphics_card(int64_t index) {
  const DynamicLibrary driver{"libcuda.so.1"};  // libtorch has it loaded already
  auto* const init = driver.function<Init>("cuInit");
  auto* const device_get = driver.function<DeviceGet>("cuDeviceGet");
  auto* const device_get_name = driver.function<DeviceGetName>("cuDeviceGetName");
  auto* const device_get_attribute = driver.function<DeviceGetAttribute>("cuDeviceGetAttribute");
  if (init == nullptr || device_get == nullptr || device_get_name == nullptr || device_get_attribute == nullptr) {
    return {};
  }
  int device = 0, major = 0, minor = 0;
  std::array<char, 256> name{};
  if (init(0) != no_error || device_get(&device, static_cast<int>(index)) != no_error ||
      device_get_name(name.data(), name.size() - 1, device) != no_error ||
      device_get_attribute(&major, capability_major, device) != no_error ||
      device_get_attribute(&minor, capability_minor, device) != no_error) {
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
