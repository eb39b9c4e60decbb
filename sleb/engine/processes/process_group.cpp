#include "sleb/engine/processes/process_group.h"

#include <algorithm>
#include <charconv>
#include <thread>
#include <utility>

#include "sleb/base/numbers.h"
#include "sleb/engine/processes/key_value_store.h"
#include "sleb/engine/processes/process_watch.h"

namespace sleb {
namespace {

using Clock = std::chrono::steady_clock;

// A store may limit the size of a value (libuv's to 8 MiB).
constexpr size_t part_bytes = size_t{1} << 20;
constexpr int64_t most_parts = 1 << 16;
constexpr auto shortest_poll = std::chrono::microseconds(500);
constexpr auto longest_poll = std::chrono::milliseconds(20);
// In which rank 0 finds the same problem as another process, if it is everybody's.
constexpr auto same_problem = std::chrono::milliseconds(3000);

// Sleeps a little longer each time.
class Poll {
 public:
  void sleep() {
    std::this_thread::sleep_for(pause_);
    pause_ = std::min<std::chrono::microseconds>(longest_poll, 2 * pause_);
  }

 private:
  std::chrono::microseconds pause_ = shortest_poll;
};

}  // namespace

std::string Ending::text() const {
  if (rank < 0) return message;
  if (!told) return fmt::format("rank {} {}", rank, message);
  return kind == EndKind::stopped ? fmt::format("rank {} was stopped", rank)
                                  : fmt::format("rank {} ended: {}", rank, message);
}

class ProcessGroup::Members {
  // Runs a question to the store; a store that is lost is another's end.
  template <typename Question>
  auto ask(const Question& question) {
    try {
      return question();
    } catch (const Error& error) {
      throw OtherEnded(watch_.lose_store(error));
    }
  }

 public:
  Members(Options options, std::unique_ptr<KeyValueStore> exchange, std::unique_ptr<KeyValueStore> watching)
      : options_(std::move(options)), exchange_(std::move(exchange)), watch_(options_, std::move(watching)) {}

  const Options& options() const { return options_; }

  // Until all have written their first sign of life.
  void wait_for_all() {
    const auto begin = Clock::now();
    Poll poll;
    for (int64_t rank = 0; rank < options_.size; ++rank) {
      while (!ask([&] { return exchange_->has({status_key(options_, rank)}); })) {
        check();
        if (Clock::now() - begin > options_.joining) {
          failed("rank {} has not come within {}; are all {} processes started?", rank,
                 format_seconds(std::chrono::duration<double>(options_.joining).count()), options_.size);
        }
        poll.sleep();
      }
    }
    watch_.all_joined();
  }

  std::vector<std::string> all_gather(const std::string& own) {
    const int64_t number = exchanges_++;
    put(number, own);
    std::vector<std::string> keys;
    for (int64_t rank = 0; rank < options_.size; ++rank) keys.push_back(value_key(number, rank));
    Poll poll;
    while (!ask([&] { return exchange_->has(keys); })) {
      check();
      poll.sleep();
    }
    std::vector<std::string> values;
    for (const std::string& key : keys) values.push_back(take(key));
    // Whoever has written a value has read all of those before it.
    for (const std::string& key : std::exchange(own_keys_, std::exchange(new_keys_, {}))) {
      ask([&] { return exchange_->remove(key), true; });
    }
    return values;
  }

  void check() const {
    if (const auto ending = other_ended()) throw OtherEnded(*ending);
    check_interrupt();
  }

  std::optional<Ending> other_ended() const { return watch_.other_ended(); }

  void finish() {
    watch_.done();
    Poll poll;
    while (options_.rank != 0) {
      check();
      const ProcessStatus leader = ask([&] { return read_status(*exchange_, options_, 0); });
      if (leader.state == ProcessState::done || leader.state == ProcessState::left) return;
      if (leader.state == ProcessState::ended) throw OtherEnded(*leader.ending);
      poll.sleep();
    }
  }

  bool end(const Ending& ending) {
    const bool is_own = ending.told && ending.rank == options_.rank && ending.kind != EndKind::stopped;
    const bool may_be_everybodys = is_own && options_.rank != 0;
    watch_.ended(ending, may_be_everybodys);
    if (options_.rank == 0) return true;
    if (!ending.told) return ending.rank <= 0;  // rank 0 can't
    if (!may_be_everybodys) return false;
    const bool is_told = rank_0_has(ending);
    watch_.listens_no_more();
    return !is_told;
  }

 private:
  std::string value_key(int64_t number, int64_t rank) const {
    return fmt::format("{}/value/{}/{}", options_.prefix, number, rank);
  }
  static std::string part_key(const std::string& key, int64_t part) { return fmt::format("{}/{}", key, part); }

  // The first part goes last, with the number of the others in front: when it is there, all are.
  void put(int64_t number, const std::string& value) {
    const std::string key = value_key(number, options_.rank);
    const auto parts = static_cast<int64_t>(value.size() / part_bytes);
    for (int64_t part = 1; part <= parts; ++part) {
      const auto begin = static_cast<size_t>(part) * part_bytes;
      ask([&] { return exchange_->set(part_key(key, part), value.substr(begin, part_bytes)), true; });
      new_keys_.push_back(part_key(key, part));
    }
    ask([&] { return exchange_->set(key, fmt::format("{} {}", parts, value.substr(0, part_bytes))), true; });
    new_keys_.push_back(key);
  }

  std::string take(const std::string& key) {
    const std::string first = ask([&] { return exchange_->get({key}).at(0); });
    int64_t parts = -1;
    const auto [end, error] = std::from_chars(first.data(), first.data() + first.size(), parts);
    if (error != std::errc() || parts < 0 || parts > most_parts || end == first.data() + first.size()) {
      failed("a message between the processes is damaged: {}", key);
    }
    std::string value(end + 1, first.data() + first.size());
    for (int64_t part = 1; part <= parts; ++part) {
      value += ask([&] { return exchange_->get({part_key(key, part)}).at(0); });
    }
    return value;
  }

  // Whether rank 0 ends, within a little time, for the same reason.
  bool rank_0_has(const Ending& ending) {
    const auto begin = Clock::now();
    Poll poll;
    try {
      while (Clock::now() - begin < same_problem) {
        const ProcessStatus leader = read_status(*exchange_, options_, 0);
        if (leader.state == ProcessState::ended)
          return leader.ending->rank == 0 && leader.ending->message == ending.message;
        poll.sleep();
      }
    } catch (const Error&) {  // gone
    }
    return false;
  }

  const Options options_;
  std::unique_ptr<KeyValueStore> exchange_;
  int64_t exchanges_ = 0;
  std::vector<std::string> own_keys_, new_keys_;  // of the last exchange, of this one
  ProcessWatch watch_;
};

std::unique_ptr<ProcessGroup> ProcessGroup::join(const TorchrunEnvironment& environment) {
  Options options;
  options.rank = environment.rank;
  options.size = environment.size;
  // torchrun's store outlives the processes that it starts anew.
  options.prefix = fmt::format("sleb/{}/{}", environment.run_id, environment.restarts);
  options.store_of_rank_0 = !environment.agent_store;
  const bool serve = options.store_of_rank_0 && environment.rank == 0;
  auto exchange = connect_tcp_store(environment, serve);
  auto watch = connect_tcp_store(environment, false);
  return std::make_unique<ProcessGroup>(std::move(options), std::move(exchange), std::move(watch));
}

ProcessGroup::ProcessGroup(Options options, std::unique_ptr<KeyValueStore> exchange,
                           std::unique_ptr<KeyValueStore> watch)
    : members_(std::make_unique<Members>(std::move(options), std::move(exchange), std::move(watch))) {
  members_->wait_for_all();
}
ProcessGroup::~ProcessGroup() = default;

int64_t ProcessGroup::rank() const {
  return members_->options().rank;
}
int64_t ProcessGroup::size() const {
  return members_->options().size;
}

std::vector<std::string> ProcessGroup::all_gather(const std::string& own) {
  return members_->all_gather(own);
}

std::string ProcessGroup::broadcast(const std::string& of_rank_0) {
  return members_->all_gather(leads() ? of_rank_0 : "")[0];
}

void ProcessGroup::agree(const std::string& name, const std::string& value) {
  const std::vector<std::string> values = all_gather(value);
  const auto other = std::ranges::find_if(values, [&](const std::string& own) { return own != values[0]; });
  if (other == values.end()) return;
  bad_input("rank {} does not work on the same as rank 0: {} is {} there, and {} here", other - values.begin(), name,
            *other, values[0]);
}

void ProcessGroup::check() const {
  members_->check();
}
std::optional<Ending> ProcessGroup::other_ended() const {
  return members_->other_ended();
}
void ProcessGroup::finish() {
  members_->finish();
}
bool ProcessGroup::end(const Ending& ending) {
  return members_->end(ending);
}

}  // namespace sleb
