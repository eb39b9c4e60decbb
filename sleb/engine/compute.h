// Where and in which type a model is computed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sleb {

class ProcessGroup;

// As the user gives them.
struct ComputeOptions {
  std::string device = "auto";  // auto (CUDA where there is one), cpu, cuda (every one, if the model needs it), cuda:N
  std::string dtype = "auto";  // auto (CUDA: bfloat16 if the device has it, else float16; CPU: what a short probe finds
                               // faster), float32, bfloat16, float16
  int64_t threads = 0;         // 0: as many as libtorch chooses
  // Matrices that the file holds in integers of 4 bits stay so, and products are made of them: on the CPU, in bfloat16.
  bool packed_weights = false;
  // Bytes that weights may take on the device; the blocks beyond are read again whenever their turn comes. 0: as many
  // as fit what is free.
  uint64_t weights_memory = 0;
  // Who else works on the same, each with the whole model; nullptr: nobody. They compute in the same type, on the same
  // kind of device, and where that is CUDA without a number, on cuda:`local_rank`.
  ProcessGroup* processes = nullptr;
  int64_t local_rank = 0;  // of the `local_size` processes of this machine, which share its memory
  int64_t local_size = 1;
};

// As decided.
struct Compute {
  std::string device;  // "cpu", "cuda:0": of the embedding, the head and the losses
  std::string dtype;   // "float32", "bfloat16", "float16"
  int64_t threads = 0;
  ProcessGroup* processes = nullptr;
  int64_t num_processes = 1;
  std::vector<std::string> more_devices = {};  // that blocks may be placed on besides
  int64_t capability = 90;                     // of a GPU: ten times the compute capability; of several the least
  bool packed_weights = false;                 // as in ComputeOptions

  // The same on another of its devices; 0: the first.
  Compute on(int64_t index) const;
};

inline Compute Compute::on(int64_t index) const {
  Compute other = *this;
  if (index > 0) other.device = more_devices[static_cast<size_t>(index - 1)];
  other.more_devices.clear();
  return other;
}

inline uint64_t bytes_per_element(const Compute& compute) {
  return compute.dtype == "float32" ? 4 : 2;
}

// Throws Error(bad_input) for a device or type that decide_compute refuses, without deciding. With others, of what can
// be told without asking them.
void check_compute(const ComputeOptions& options);

// Decides, and sets the number of threads.
// Throws Error(bad_input) for a device or type that is not known or not there; with others what
// ProcessGroup::all_gather throws.
Compute decide_compute(const ComputeOptions& options);

// What the bits of a result depend on beside its type: on GPUs the cards' names and libtorch's version, "NVIDIA H100
// PCIe, libtorch 2.11.0"; "" on the CPU.
std::string arithmetic_of(const Compute& compute);

// What models run with here: "libtorch 2.11.0, AVX512 on 2 threads" and a line of each GPU with its compute capability.
std::string engine_description();

// Free bytes of each device, `device` first: of the CPU what available_memory() says.
std::vector<uint64_t> free_memory(const Compute& compute);

// The most bytes that this process has held at once so far: of GPUs what libtorch had of all of them together, without
// what the driver takes for the process itself.
uint64_t peak_memory(const Compute& compute);

}  // namespace sleb
