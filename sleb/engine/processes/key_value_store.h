// Where the processes of a run leave each other messages. Inside the engine only.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sleb/base/torchrun_environment.h"

namespace sleb {

// A connection; one thread uses it at a time. All throw Error(failed) once it is lost.
class KeyValueStore {
 public:
  virtual ~KeyValueStore() = default;
  virtual void set(const std::string& key, const std::string& value) = 0;
  virtual bool has(const std::vector<std::string>& keys) = 0;  // all of them
  // They are there.
  virtual std::vector<std::string> get(const std::vector<std::string>& keys) = 0;
  virtual void remove(const std::string& key) = 0;
};

// Connects to the run's c10d::TCPStore, and with `serve` serves it as long as the connection lives. Throws
// Error(failed) if it can't be reached within a minute; Interrupted.
std::unique_ptr<KeyValueStore> connect_tcp_store(const TorchrunEnvironment& environment, bool serve);

}  // namespace sleb
