// What each process of a group writes of itself, again and again. Inside the engine only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "sleb/engine/processes/key_value_store.h"
#include "sleb/engine/processes/process_group.h"

namespace sleb {

enum class ProcessState { working, done, left, ended };

struct ProcessStatus {
  int64_t beat = 0;  // another one each time
  ProcessState state = ProcessState::working;
  std::optional<Ending> ending = {};  // with `ended`
  bool listens = false;               // with `ended`: it still wants to know how rank 0 ends
};

std::string status_key(const ProcessGroup::Options& options, int64_t rank);
std::string to_text(const ProcessStatus& status);
// Throws Error(bad_input) if the text is damaged.
ProcessStatus parse_process_status(const std::string& text, int64_t rank);
// What the process wrote last. Throws what the store throws if there is nothing.
ProcessStatus read_status(KeyValueStore& store, const ProcessGroup::Options& options, int64_t rank);

}  // namespace sleb
