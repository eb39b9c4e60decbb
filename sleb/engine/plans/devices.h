// Which devices a model may be placed on: choices from names and numbers alone.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sleb {

struct DeviceChoice {
  std::string device;             // "cpu", "cuda:0": of the embedding, the head and the losses
  std::vector<std::string> more;  // that blocks may be placed on besides
};

// `name`: auto, cpu, cuda or cuda:N, as the user gives it, on a machine with so many CUDA devices; process `local_rank`
// of its `local_size`. Without a number, every CUDA device may take a part of the model; with others on this machine,
// each process has its own. Throws Error(bad_input) for a device that is not known or not there.
DeviceChoice choose_devices(const std::string& name, int64_t cuda_devices, int64_t local_rank, int64_t local_size);

// What to ask for in order to compute again as a run did whose first device was `device`. A run on cuda:0 may have
// spread its model over others.
std::string device_to_resume(std::string_view device);

// The type that `auto` is on a GPU of so many tenths of compute capability: bfloat16 from 8.0 on, which is the first
// that multiplies it.
std::string default_gpu_type(int64_t capability);

// The cards that the parts of a model are on, by their names: "A", "A and B". One name may stand for several.
std::string names_of_cards(std::vector<std::string> names);

}  // namespace sleb
