#include "sleb/engine/compute.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/CachingDeviceAllocator.h>

#include <chrono>
#include <limits>
#include <utility>

#include "sleb/base/error.h"
#include "sleb/base/memory.h"
#include "sleb/engine/decoder/aten.h"
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
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
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

}  // namespace

std::vector<uint64_t> free_memory(const Compute& compute) {
  if (compute.device == "cpu") return {available_memory()};
  std::vector<uint64_t> free;
  for (size_t i = 0; i <= compute.more_devices.size(); ++i) {
    const at::Device device = device_of(compute.on(static_cast<int64_t>(i)));
    // What libtorch holds for later is not counted, but it is asked before anything is loaded.
    free.push_back(c10::getDeviceAllocator(device.type())->getMemoryInfo(device.index()).first);
  }
  return free;
}

at::ScalarType scalar_type_of(const Compute& compute) {
  return compute.dtype == "float32" ? at::kFloat : compute.dtype == "bfloat16" ? at::kBFloat16 : at::kHalf;
}

Compute decide_compute(const ComputeOptions& options) {
  const c10::InferenceMode guard;
  if (options.threads > 0) at::set_num_threads(static_cast<int>(options.threads));
  if (options.dtype != "auto" && options.dtype != "float32" && options.dtype != "bfloat16" &&
      options.dtype != "float16") {
    bad_input("--dtype {}: not known; give auto, float32, bfloat16 or float16", options.dtype);
  }
  Compute compute{.device = "",
                  .dtype = options.dtype,
                  .threads = at::get_num_threads(),
                  .processes = options.processes,
                  .num_processes = options.processes != nullptr ? options.processes->size() : 1};
  const auto decide = [&](const std::string& device) {
    DeviceChoice choice = choose_devices(device, cuda_devices(), options.local_rank, options.local_size);
    compute.device = std::move(choice.device);
    compute.more_devices = std::move(choice.more);
    if (compute.dtype == "auto") compute.dtype = compute.device == "cpu" ? fastest_cpu_type() : "bfloat16";
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
}

}  // namespace sleb
