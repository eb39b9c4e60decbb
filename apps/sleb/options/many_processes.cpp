#include "apps/sleb/options/many_processes.h"

#include <sched.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>

namespace sleb::app {
namespace {

// What the exception in flight means to the others and to the user.
[[noreturn]] void end(ProcessGroup& processes) {
  const int64_t rank = processes.rank();
  const Failure failure = current_failure();
  Ending ending{rank, failure.kind == ErrorKind::bad_input ? EndKind::bad_input : EndKind::failed, failure.message};
  std::string text = rank == 0 ? failure.message : fmt::format("rank {}: {}", rank, failure.message);
  try {
    throw;
  } catch (const OtherEnded& other) {
    ending = other.ending();
    text = other.what();
  } catch (const Interrupted&) {
    const auto other = processes.other_ended();
    ending = other.value_or(Ending{rank, EndKind::stopped, failure.message});
    if (other) text = other->text();
  } catch (...) {  // its own
  }
  const ErrorKind kind = ending.kind == EndKind::bad_input ? ErrorKind::bad_input : ErrorKind::failed;
  if (processes.end(ending)) throw Error(kind, text);
  throw ToldElsewhere{kind};
}

int64_t usable_cpus() {
  cpu_set_t set;
  return ::sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
}

// 0: libtorch's choice.
int64_t share_of_cpus(const TorchrunEnvironment& environment) {
  if (environment.local_size == 1) return 0;
  const char* wanted = std::getenv("OMP_NUM_THREADS");
  // torchrun sets it to 1 where nobody has set it.
  const bool by_torchrun = wanted != nullptr && environment.torchrun && std::string_view(wanted) == "1";
  if (wanted != nullptr && !by_torchrun) return 0;
  return std::max<int64_t>(1, usable_cpus() / environment.local_size);
}

}  // namespace

void run_in_processes(Session& session, const Work& work) {
  if (!session.environment.many()) {
    work(session, nullptr);
    return;
  }
  const auto processes = ProcessGroup::join(session.environment);
  Session own{processes->leads() ? session.progress : silent_progress(), session.command_line, session.arguments,
              session.environment, session.config_file};
  try {
    work(own, processes.get());
    processes->finish();
  } catch (...) {
    end(*processes);
  }
}

void share_machine(const TorchrunEnvironment& environment, ProcessGroup* processes, ComputeOptions& options) {
  options.processes = processes;
  options.local_rank = environment.local_rank;
  options.local_size = environment.local_size;
  if (options.threads == 0) options.threads = share_of_cpus(environment);
}

std::string how_computed(const Compute& compute) {
  const size_t more = compute.more_devices.size();
  const std::string each = fmt::format("{} on {}{}, {} threads", compute.dtype, compute.device,
                                       more > 0 ? fmt::format(" and {} more", more) : "", compute.threads);
  return compute.processes == nullptr ? each : fmt::format("{} processes, each {}", compute.processes->size(), each);
}

}  // namespace sleb::app
