// The commands that torchrun may start in many processes.
#pragma once

#include <functional>
#include <string>

#include "apps/sleb/options/session.h"
#include "sleb/engine/compute.h"
#include "sleb/engine/processes/process_group.h"

namespace sleb::app {

// `processes`: nullptr where there is one. Only rank 0's session shows anything.
using Work = std::function<void(Session& session, ProcessGroup* processes)>;

// Joins the other processes, if there are any, and works. However one of them ends, all do, and one tells the user.
// Throws what the work throws; ToldElsewhere.
void run_in_processes(Session& session, const Work& work);

inline bool leads(const ProcessGroup* processes) {
  return processes == nullptr || processes->leads();
}

// Sets what `options` leaves open of the machine's sharing: its CPUs and GPUs belong to all processes on it.
void share_machine(const TorchrunEnvironment& environment, ProcessGroup* processes, ComputeOptions& options);

// "float32 on cpu, 2 threads", and how many processes.
std::string how_computed(const Compute& compute);

}  // namespace sleb::app
