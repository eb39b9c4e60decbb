#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <charconv>
#include <chrono>
#include <filesystem>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "sleb/base/error.h"
#include "sleb/base/progress.h"
#include "sleb/engine/processes/key_value_store.h"

C10_DECLARE_int(caffe2_log_level);

namespace sleb {
namespace {

constexpr auto connect_attempt = std::chrono::seconds(2);
constexpr auto connect_limit = std::chrono::seconds(60);
// Every request is one that the server answers at once; c10d waits twice for some.
constexpr int answer_seconds = 8;

bool has_peer_port(int socket, uint16_t port) {
  sockaddr_storage peer{};
  socklen_t size = sizeof(peer);
  if (::getpeername(socket, reinterpret_cast<sockaddr*>(&peer), &size) != 0) return false;
  if (peer.ss_family == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in&>(peer).sin_port) == port;
  return peer.ss_family == AF_INET6 && ntohs(reinterpret_cast<const sockaddr_in6&>(peer).sin6_port) == port;
}

// c10d waits without end for the answer of a server whose machine lost power, and shows nobody its sockets: they are
// found among this process's own.
void limit_waiting(uint16_t port) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", error)) {
    const std::string name = entry.path().filename().string();
    int socket = -1;
    std::from_chars(name.data(), name.data() + name.size(), socket);
    if (!has_peer_port(socket, port)) continue;
    const timeval limit{answer_seconds, 0};
    const unsigned milliseconds = answer_seconds * 1000;
    ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    ::setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    ::setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &milliseconds, sizeof(milliseconds));
  }
}

// The cause without libtorch's stack trace.
std::string first_line(const std::exception& error) {
  const auto* own = dynamic_cast<const c10::Error*>(&error);
  const std::string what = own != nullptr ? own->what_without_backtrace() : error.what();
  return what.substr(0, what.find('\n'));
}

std::vector<uint8_t> bytes_of(const std::string& text) {
  return {text.begin(), text.end()};
}

class TcpStore : public KeyValueStore {
 public:
  TcpStore(const TorchrunEnvironment& environment, bool serve)
      : place_(fmt::format("{}:{}", environment.address, environment.port)) {
    FLAGS_caffe2_log_level = 3;  // FATAL: what goes wrong here is thrown, and a server that is not there yet is no news
    c10d::TCPStoreOptions options;
    options.port = environment.port;
    options.isServer = serve;
    options.waitWorkers = false;
    options.timeout = connect_attempt;
    options.useLibUV = false;  // which not every libtorch has; the clients are the same
    const auto begin = std::chrono::steady_clock::now();
    while (!store_) {
      check_interrupt();
      try {
        store_ = c10::make_intrusive<c10d::TCPStore>(environment.address, options);
      } catch (const std::exception& error) {
        if (serve) failed("rank 0 can't serve the processes' store at {}: {}", place_, first_line(error));
        if (std::chrono::steady_clock::now() - begin < connect_limit) continue;
        failed("rank {} finds no store at {}, which {} should serve: {}", environment.rank, place_,
               environment.agent_store ? "torchrun" : "rank 0", first_line(error));
      }
    }
    store_->setTimeout(std::chrono::seconds(answer_seconds));
    limit_waiting(environment.port);
  }

  void set(const std::string& key, const std::string& value) override {
    ask([&] { store_->set(key, bytes_of(value)); });
  }
  bool has(const std::vector<std::string>& keys) override {
    bool there = false;
    ask([&] { there = store_->check(keys); });
    return there;
  }
  std::vector<std::string> get(const std::vector<std::string>& keys) override {
    std::vector<std::string> values;
    ask([&] {
      for (const auto& value : store_->multiGet(keys)) values.emplace_back(value.begin(), value.end());
    });
    return values;
  }
  void remove(const std::string& key) override {
    ask([&] { store_->deleteKey(key); });
  }

 private:
  template <typename Question>
  void ask(const Question& question) const {
    try {
      question();
    } catch (const std::exception& error) {
      failed("lost the store at {}: {}", place_, first_line(error));
    }
  }

  std::string place_;
  c10::intrusive_ptr<c10d::TCPStore> store_;
};

}  // namespace

std::unique_ptr<KeyValueStore> connect_tcp_store(const TorchrunEnvironment& environment, bool serve) {
  return std::make_unique<TcpStore>(environment, serve);
}

}  // namespace sleb
