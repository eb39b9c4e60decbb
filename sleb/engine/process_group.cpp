#include "sleb/engine/process_group.h"

#include <algorithm>
#include <charconv>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "sleb/base/json.h"
#include "sleb/base/numbers.h"
#include "sleb/engine/key_value_store.h"

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

enum class State { working, done, left, ended };

// What each process writes of itself, again and again.
struct Status {
  int64_t beat = 0;
  State state = State::working;
  std::optional<Ending> ending = {};  // with `ended`
  bool listens = false;               // with `ended`: it still wants to know how rank 0 ends

  std::string text() const {
    OrderedJson json = {{"beat", beat}, {"state", static_cast<int>(state)}, {"listens", listens}};
    if (ending) {
      json["rank"] = ending->rank;
      json["kind"] = static_cast<int>(ending->kind);
      json["message"] = printable(ending->message);
      json["told"] = ending->told;
    }
    return json.dump();
  }
  static Status parse(const std::string& text, int64_t rank) {
    const std::string label = fmt::format("what rank {} says of itself", rank);
    const Json document = parse_json(text, label);
    const JsonView json(document, label);
    Status status{json.at("beat").integer(0),
                  static_cast<State>(json.at("state").integer(0, 3)),
                  {},
                  json.at("listens").boolean()};
    if (status.state == State::ended) {
      status.ending = {json.at("rank").integer(-1, INT32_MAX), static_cast<EndKind>(json.at("kind").integer(0, 2)),
                       json.at("message").string(), json.at("told").boolean()};
    }
    return status;
  }
};

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
      throw OtherEnded(lose_store(error));
    }
  }

 public:
  Members(Options options, std::unique_ptr<KeyValueStore> exchange, std::unique_ptr<KeyValueStore> watching)
      : options_(std::move(options)),
        exchange_(std::move(exchange)),
        watch_(std::move(watching)),
        seen_(static_cast<size_t>(options_.size)) {
    watcher_ = std::thread([this] { watch(); });
  }
  ~Members() {
    change([this] {
      if (status_.state == State::done) status_.state = State::left;
      if (status_.state == State::working) {
        status_.state = State::ended;
        status_.ending = {options_.rank, EndKind::failed, "left before the work was done", true};
      }
    });
    if (options_.store_of_rank_0 && options_.rank == 0) wait_for_farewells();
    change([this] { leaving_ = true; });
    watcher_.join();
    watch_.reset();
  }

  const Options& options() const { return options_; }

  // Until all have written their first sign of life.
  void wait_for_all() {
    const auto begin = Clock::now();
    Poll poll;
    for (int64_t rank = 0; rank < options_.size; ++rank) {
      while (!ask([&] { return exchange_->has({status_key(rank)}); })) {
        check();
        if (Clock::now() - begin > options_.joining) {
          failed("rank {} has not come within {}; are all {} processes started?", rank,
                 format_seconds(std::chrono::duration<double>(options_.joining).count()), options_.size);
        }
        poll.sleep();
      }
    }
    const std::lock_guard lock(mutex_);
    for (Seen& seen : seen_) seen.joined = true;
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

  std::optional<Ending> other_ended() const {
    const std::lock_guard lock(mutex_);
    return other_;
  }

  void finish() {
    change([this] { status_.state = State::done; });
    Poll poll;
    while (options_.rank != 0) {
      check();
      const Status leader = ask([&] { return status_of(0, *exchange_); });
      if (leader.state == State::done || leader.state == State::left) return;
      if (leader.state == State::ended) throw OtherEnded(*leader.ending);
      poll.sleep();
    }
  }

  bool end(const Ending& ending) {
    const bool is_own = ending.told && ending.rank == options_.rank && ending.kind != EndKind::stopped;
    const bool may_be_everybodys = is_own && options_.rank != 0;
    change([&] {
      if (status_.state == State::working) status_ = {status_.beat, State::ended, ending, may_be_everybodys};
    });
    if (options_.rank == 0) return true;
    if (!ending.told) return ending.rank <= 0;  // rank 0 can't
    if (!may_be_everybodys) return false;
    const bool is_told = rank_0_has(ending);
    change([this] { status_.listens = false; });
    return !is_told;
  }

 private:
  struct Seen {
    bool joined = false;
    int64_t beat = -1;
    Clock::time_point when = Clock::now();
    State state = State::working;
    bool listens = false;
  };

  std::string status_key(int64_t rank) const { return fmt::format("{}/status/{}", options_.prefix, rank); }
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

  Status status_of(int64_t rank, KeyValueStore& store) const {
    return Status::parse(store.get({status_key(rank)}).at(0), rank);
  }

  // Whether rank 0 ends, within a little time, for the same reason.
  bool rank_0_has(const Ending& ending) {
    const auto begin = Clock::now();
    Poll poll;
    try {
      while (Clock::now() - begin < same_problem) {
        const Status leader = status_of(0, *exchange_);
        if (leader.state == State::ended) return leader.ending->rank == 0 && leader.ending->message == ending.message;
        poll.sleep();
      }
    } catch (const Error&) {  // gone
    }
    return false;
  }

  // The store must not end before the others know how it ended.
  void wait_for_farewells() {
    const auto begin = Clock::now();
    const auto gone = [&](const Seen& seen) {
      const bool ended = seen.state == State::left || (seen.state == State::ended && !seen.listens);
      return ended || !seen.joined || Clock::now() - seen.when > options_.silence;
    };
    std::unique_lock lock(mutex_);
    while (Clock::now() - begin < options_.farewell && !store_lost_) {
      const auto rank = static_cast<size_t>(options_.rank);
      bool all = true;
      for (size_t i = 0; i < seen_.size(); ++i) all = all && (i == rank || gone(seen_[i]));
      if (all) return;
      hurry_ = true;
      changed_.notify_all();
      changed_.wait_for(lock, longest_poll);
    }
  }

  template <typename Change>
  void change(const Change& change) {
    const std::lock_guard lock(mutex_);
    change();
    hurry_ = true;
    changed_.notify_all();
  }

  // The watcher's thread.
  void watch() {
    std::unique_lock lock(mutex_);
    for (bool last = false; !last && !store_lost_;) {
      last = leaving_;
      hurry_ = false;
      ++status_.beat;
      const Status own = status_;
      lock.unlock();
      try {
        watch_->set(status_key(options_.rank), own.text());
        look_at_others();
      } catch (const Error& error) {
        lose_store(error);
      }
      lock.lock();
      if (!last) changed_.wait_for(lock, options_.beat, [this] { return hurry_ || leaving_; });
    }
  }

  void look_at_others() {
    std::vector<int64_t> joined;
    std::vector<std::string> keys;
    for (int64_t rank = 0; rank < options_.size; ++rank) {
      if (rank == options_.rank) continue;
      if (!is_joined(rank) && !watch_->has({status_key(rank)})) continue;
      joined.push_back(rank);
      keys.push_back(status_key(rank));
    }
    if (joined.empty()) return;
    const std::vector<std::string> statuses = watch_->get(keys);
    for (size_t i = 0; i < joined.size(); ++i) see(joined[i], Status::parse(statuses.at(i), joined[i]));
  }

  bool is_joined(int64_t rank) const {
    const std::lock_guard lock(mutex_);
    return seen_[static_cast<size_t>(rank)].joined;
  }

  void see(int64_t rank, const Status& status) {
    const auto now = Clock::now();
    std::unique_lock lock(mutex_);
    Seen& seen = seen_[static_cast<size_t>(rank)];
    if (!seen.joined || status.beat != seen.beat) seen.when = now;
    seen.joined = true;
    seen.beat = status.beat;
    seen.state = status.state;
    seen.listens = status.listens;
    const bool silent = status.state == State::working && now - seen.when > options_.silence;
    lock.unlock();
    if (status.state == State::ended) {
      note_end(*status.ending);
    } else if (silent) {
      const double seconds = std::chrono::duration<double>(options_.silence).count();
      note_end({rank, EndKind::failed, fmt::format("has not been heard of for {:.0f} s", seconds), false});
    }
  }

  // What that means; or what was known before to have ended.
  Ending lose_store(const Error& error) {
    {
      const std::lock_guard lock(mutex_);
      store_lost_ = true;
    }
    const bool of_rank_0 = options_.store_of_rank_0;
    const Ending ending{of_rank_0 ? 0 : -1, EndKind::failed,
                        of_rank_0 ? fmt::format("is gone: {}", error.what()) : std::string(error.what()), false};
    note_end(ending);
    return other_ended().value_or(ending);
  }

  // The first end counts; those that follow from it only repeat it. Once the result is written, or this process is
  // about to end anyhow, nothing does.
  void note_end(const Ending& ending) {
    {
      const std::lock_guard lock(mutex_);
      const bool waits_for_rank_0 = status_.state == State::done && options_.rank != 0;
      if (other_ || !(status_.state == State::working || waits_for_rank_0)) return;
      other_ = ending;
    }
    options_.stop();
  }

  const Options options_;
  std::unique_ptr<KeyValueStore> exchange_;
  std::unique_ptr<KeyValueStore> watch_;
  int64_t exchanges_ = 0;
  std::vector<std::string> own_keys_, new_keys_;  // of the last exchange, of this one

  mutable std::mutex mutex_;  // of all that follows
  std::condition_variable changed_;
  Status status_;
  std::vector<Seen> seen_;  // [size]
  std::optional<Ending> other_;
  bool store_lost_ = false;
  bool hurry_ = false;
  bool leaving_ = false;
  std::thread watcher_;  // last: it uses the others
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
