// What torchrun tells each process of a run about itself and the others (PyTorch documentation, "torchrun (Elastic
// Launch)", Environment Variables). Whoever starts the processes by hand sets the same variables.
#pragma once

#include <cstdint>
#include <string>

#include "sleb/base/environment.h"

namespace sleb {

struct TorchrunEnvironment {
  int64_t rank = 0;        // RANK: of `size`
  int64_t size = 1;        // WORLD_SIZE: processes on all machines
  int64_t local_rank = 0;  // LOCAL_RANK: of `local_size`
  int64_t local_size = 1;  // LOCAL_WORLD_SIZE: processes on this machine
  std::string address;     // MASTER_ADDR and MASTER_PORT: where they meet; only read where there is more than one
  uint16_t port = 0;
  bool agent_store = false;  // TORCHELASTIC_USE_AGENT_STORE: torchrun serves the meeting point, and not rank 0
  bool torchrun = false;     // TORCHELASTIC_RUN_ID is set: not by hand
  std::string run_id;        // "" where it is not
  int64_t restarts = 0;      // TORCHELASTIC_RESTART_COUNT: how often torchrun has started all processes anew

  bool many() const { return size > 1; }
};

// Without RANK and WORLD_SIZE: one process. Throws Error(bad_input), naming the variable, for what makes no sense.
TorchrunEnvironment read_torchrun_environment(const ReadVariable& read);
TorchrunEnvironment read_torchrun_environment();  // this process's

}  // namespace sleb
