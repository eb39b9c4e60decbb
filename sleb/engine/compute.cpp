#include "sleb/engine/compute.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/AllocatorConfig.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <torch/headeronly/version.h>

#include <chrono>
#include <cstdlib>
#include <limits>
#include <utility>

#include "sleb/base/error.h"
#include "sleb/base/memory.h"
#include "sleb/base/stopwatch.h"
#include "sleb/engine/decoder/aten.h"
#include "sleb/engine/decoder/device_failure.h"
#include "sleb/engine/decoder/graphics_card.h"
#include "sleb/engine/decoder/tensor_options.h"
#include "sleb/engine/plans/devices.h"
#include "sleb/engine/processes/process_group.h"

namespace sleb {
namespace {

// Seconds of one matrix product of a middling model's MLP, the best of a few.
double seconds_of_product(at::ScalarType dtype) {
  const at::Tensor input = at::randn({512, 1024}).to(dtype);
  const at::Tensor weight = at::randn({2048, 1024}).to(dtype);
  at::linear(input, weight);
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < 5; ++i) {
    const auto start = std::chrono::steady_clock::now();
    at::linear(input, weight);
    best = std::min(best, seconds_since(start));
  }
  return best;
}

std::string fastest_cpu_type() {
  // bfloat16 loses digits, so it has to earn its place; a margin also keeps the choice the same from run to run.
  constexpr double worthwhile = 1.3;
  return seconds_of_product(at::kFloat) > worthwhile * seconds_of_product(at::kBFloat16) ? "bfloat16" : "float32";
}

int64_t cuda_devices() {
  return at::hasCUDA() ? int64_t{at::detail::getCUDAHooks().deviceCount()} : 0;
}

std::string default_type(const std::string& device) {
  if (device == "cpu") return fastest_cpu_type();
  return default_gpu_type(capability_of_card(at::Device(device).index()));
}

void check_packed(const ComputeOptions& options, const std::string& device) {
  if (!options.packed_weights || device == "cpu") return;
  bad_input("--packed: products of packed weights are the CPU's, and the device is {}; give --device cpu", device);
}

int64_t least_capability(const Compute& compute) {
  int64_t least = capability_of_card(at::Device(compute.device).index());
  for (const std::string& device : compute.more_devices) {
    least = std::min(least, capability_of_card(at::Device(device).index()));
  }
  return least;
}

// Activations come in many sizes, and a segment of libtorch's that holds none of them whole is lost to all others.
// Segments that grow leave no such holes. Pinned memory is touched by eight threads, as one needs longer for it than a
// GPU for what it saves. Whoever has set the allocator up in the environment has chosen for himself.
void set_up_allocators() {
  if (std::getenv("PYTORCH_ALLOC_CONF") != nullptr || std::getenv("PYTORCH_CUDA_ALLOC_CONF") != nullptr) return;
  c10::CachingAllocator::setAllocatorSettings(
      "expandable_segments:True,pinned_use_cuda_host_register:True,pinned_num_register_threads:8");
}

// As on the CPU: float32 products with all digits of their factors, and sums of narrower ones in float32, which cuBLAS
// may else make in the narrow type.
void forbid_narrow_arithmetic() {
  at::globalContext().setAllowTF32CuBLAS(false);
  at::globalContext().setAllowBF16ReductionCuBLAS(false);
  at::globalContext().setAllowFP16ReductionCuBLAS(false);
}

}  // namespace

std::string arithmetic_of(const Compute& compute) {
  if (compute.device == "cpu") return "";
  std::vector<std::string> names;
  for (size_t i = 0; i <= compute.more_devices.size(); ++i) {
    const auto card = graphics_card(device_of(compute.on(static_cast<int64_t>(i))).index());
    names.push_back(card ? card->name : "a GPU");
  }
  return fmt::format("{}, libtorch {}", names_of_cards(std::move(names)), TORCH_VERSION);
}

std::string engine_description() try {
  std::string text = fmt::format("libtorch {}, {} on {} {}\n", TORCH_VERSION, at::get_cpu_capability(),
                                 at::get_num_threads(), at::get_num_threads() == 1 ? "thread" : "threads");
  const int64_t cards = cuda_devices();
  for (int64_t i = 0; i < cards; ++i) {
    const auto card = graphics_card(i);
    text += fmt::format(
        "cuda:{}: {}\n", i,
        card ? fmt::format("{}, compute capability {}.{}", card->name, card->capability / 10, card->capability % 10)
             : "a GPU whose driver does not name it");
  }
  text += cards == 0 ? fmt::format("no GPU{}", at::hasCUDA() ? "" : ": this libtorch is one without CUDA") : "";
  while (text.ends_with('\n')) text.pop_back();
  return text;
} catch (const c10::Error& error) {
  device_failed("asking for the devices", "this machine", error);
}

std::vector<uint64_t> free_memory(const Compute& compute) try {
  if (compute.device == "cpu") return {available_memory()};
  std::vector<uint64_t> free;
  for (size_t i = 0; i <= compute.more_devices.size(); ++i) {
    const at::Device device = device_of(compute.on(static_cast<int64_t>(i)));
    // What libtorch holds for later is not counted, but it is asked before anything is loaded.
    free.push_back(c10::getDeviceAllocator(device.type())->getMemoryInfo(device.index()).first);
  }
  return free;
} catch (const c10::Error& error) {
  device_failed("free memory", compute.device, error);
}

uint64_t peak_memory(const Compute& compute) try {
  if (compute.device == "cpu") return process_memory().peak;
  constexpr auto aggregate = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);
  uint64_t peak = 0;
  for (size_t i = 0; i <= compute.more_devices.size(); ++i) {
    const at::Device device = device_of(compute.on(static_cast<int64_t>(i)));
    const auto stats = c10::getDeviceAllocator(device.type())->getDeviceStats(device.index());
    peak += static_cast<uint64_t>(stats.reserved_bytes[aggregate].peak);
  }
  return peak;
} catch (const c10::Error& error) {
  device_failed("peak of memory", compute.device, error);
}

at::ScalarType scalar_type_of(const Compute& compute) {
  return compute.dtype == "float32" ? at::kFloat : compute.dtype == "bfloat16" ? at::kBFloat16 : at::kHalf;
}

void check_compute(const ComputeOptions& options) {
  if (options.dtype != "auto" && options.dtype != "float32" && options.dtype != "bfloat16" &&
      options.dtype != "float16") {
    bad_input("--dtype {}: not known; give auto, float32, bfloat16 or float16", options.dtype);
  }
  if (options.packed_weights && options.dtype != "auto" && options.dtype != "bfloat16") {
    bad_input("--packed: products of packed weights are computed in bfloat16, and --dtype says {}", options.dtype);
  }
  if (options.processes == nullptr) {
    const DeviceChoice choice = choose_devices(options.device, cuda_devices(), options.local_rank, options.local_size);
    check_packed(options, choice.device);
  }
}

Compute decide_compute(const ComputeOptions& options) try {
  const c10::InferenceMode guard;
  if (options.threads > 0) at::set_num_threads(static_cast<int>(options.threads));
  check_compute(options);
  Compute compute{.device = "",
                  .dtype = options.dtype,
                  .threads = at::get_num_threads(),
                  .processes = options.processes,
                  .num_processes = options.processes != nullptr ? options.processes->size() : 1,
                  .packed_weights = options.packed_weights};
  const auto decide = [&](const std::string& device) {
    DeviceChoice choice = choose_devices(device, cuda_devices(), options.local_rank, options.local_size);
    compute.device = std::move(choice.device);
    compute.more_devices = std::move(choice.more);
    check_packed(options, compute.device);
    if (compute.packed_weights) compute.dtype = "bfloat16";
    if (compute.dtype == "auto") compute.dtype = default_type(compute.device);
    if (compute.device == "cpu") return;
    compute.capability = least_capability(compute);
    forbid_narrow_arithmetic();
    set_up_allocators();
  };
  if (options.processes == nullptr) {
    decide(options.device);
    return compute;
  }
  // Rank 0's choice is everybody's: a probe may say otherwise elsewhere.
  if (options.processes->leads()) decide(options.device);
  const std::string kind = options.processes->broadcast(compute.device == "cpu" ? "cpu" : "cuda");
  compute.dtype = options.processes->broadcast(compute.dtype);
  if (!options.processes->leads()) decide(options.device == "auto" ? kind : options.device);
  return compute;
} catch (const c10::Error& error) {
  device_failed("choosing device and type", options.device == "auto" ? "this machine" : options.device, error);
}

}  // namespace sleb
