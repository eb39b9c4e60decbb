#include "sleb/base/torchrun_environment.h"

#include <charconv>
#include <optional>
#include <string_view>

#include "sleb/base/error.h"

namespace sleb {
namespace {

constexpr int64_t most_processes = 65536;
constexpr int64_t most_restarts = 1'000'000'000;
constexpr size_t longest_text = 1024;

class Variables {
 public:
  explicit Variables(const ReadVariable& read) : read_(read) {}

  bool has(const char* name) const { return read_(name) != nullptr; }

  int64_t number(const char* name, int64_t least, int64_t most) const {
    const std::string text = this->text(name);
    int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value < least || value > most) {
      bad_input("environment variable {}={}: expected a whole number from {} to {}, as torchrun sets it", name, text,
                least, most);
    }
    return value;
  }
  int64_t number_or(const char* name, int64_t otherwise, int64_t least, int64_t most) const {
    return has(name) ? number(name, least, most) : otherwise;
  }

  std::string text(const char* name) const {
    const char* value = read_(name);
    if (value == nullptr) {
      bad_input("environment variable {} is not set, though others of a run of many processes are; use torchrun", name);
    }
    const std::string_view text(value);
    if (text.empty() || text.size() > longest_text) {
      bad_input("environment variable {} has {} characters; expected 1 to {}", name, text.size(), longest_text);
    }
    return std::string(text);
  }

 private:
  const ReadVariable& read_;
};

}  // namespace

TorchrunEnvironment read_torchrun_environment(const ReadVariable& read) {
  const Variables variables(read);
  TorchrunEnvironment environment;
  if (!variables.has("RANK") && !variables.has("WORLD_SIZE")) return environment;
  environment.size = variables.number("WORLD_SIZE", 1, most_processes);
  environment.rank = variables.number("RANK", 0, environment.size - 1);
  environment.local_size = variables.number_or("LOCAL_WORLD_SIZE", 1, 1, environment.size);
  environment.local_rank = variables.number_or("LOCAL_RANK", 0, 0, environment.size - 1);
  environment.torchrun = variables.has("TORCHELASTIC_RUN_ID");
  if (environment.torchrun) environment.run_id = variables.text("TORCHELASTIC_RUN_ID");
  environment.restarts = variables.number_or("TORCHELASTIC_RESTART_COUNT", 0, 0, most_restarts);
  if (!environment.many()) return environment;
  environment.address = variables.text("MASTER_ADDR");
  environment.port = static_cast<uint16_t>(variables.number("MASTER_PORT", 1, 65535));
  environment.agent_store =
      variables.has("TORCHELASTIC_USE_AGENT_STORE") && variables.text("TORCHELASTIC_USE_AGENT_STORE") == "True";
  return environment;
}

TorchrunEnvironment read_torchrun_environment() {
  return read_torchrun_environment(own_variable);
}

}  // namespace sleb
