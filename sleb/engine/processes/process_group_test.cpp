// Processes as threads, around a store in memory.
#include "sleb/engine/processes/process_group.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <thread>

#include "sleb/engine/processes/key_value_store.h"

namespace sleb {
namespace {

using std::chrono::milliseconds;

struct Memory {
  std::mutex mutex;
  std::map<std::string, std::string> values;
  bool lost = false;
  size_t most_values = 0;
};

class MemoryStore : public KeyValueStore {
 public:
  explicit MemoryStore(Memory& memory) : memory_(memory) {}
  void set(const std::string& key, const std::string& value) override {
    const auto lock = open();
    memory_.values[key] = value;
    memory_.most_values = std::max(memory_.most_values, memory_.values.size());
  }
  bool has(const std::vector<std::string>& keys) override {
    const auto lock = open();
    return std::ranges::all_of(keys, [&](const std::string& key) { return memory_.values.contains(key); });
  }
  std::vector<std::string> get(const std::vector<std::string>& keys) override {
    const auto lock = open();
    std::vector<std::string> values;
    for (const std::string& key : keys) values.push_back(memory_.values.at(key));
    return values;
  }
  void remove(const std::string& key) override {
    const auto lock = open();
    EXPECT_EQ(memory_.values.erase(key), 1U) << key;
  }

 private:
  std::unique_lock<std::mutex> open() const {
    std::unique_lock lock(memory_.mutex);
    if (memory_.lost) failed("lost the store");
    return lock;
  }

  Memory& memory_;
};

struct Processes {
  Memory memory;
  std::atomic<int> stops = 0;

  std::unique_ptr<ProcessGroup> join(int64_t rank, int64_t size, bool store_of_rank_0 = true) {
    ProcessGroup::Options options;
    options.rank = rank;
    options.size = size;
    options.prefix = "test";
    options.store_of_rank_0 = store_of_rank_0;
    options.beat = milliseconds(20);
    options.silence = milliseconds(400);
    options.joining = milliseconds(400);
    options.wait_for_endings = milliseconds(300);
    options.stop = [this] { ++stops; };
    return std::make_unique<ProcessGroup>(options, std::make_unique<MemoryStore>(memory),
                                          std::make_unique<MemoryStore>(memory));
  }

  // Runs `work` as each rank and returns how each ended: "", or the message.
  std::vector<std::string> all(int64_t size, const std::function<void(ProcessGroup&)>& work) {
    std::vector<std::string> ends(static_cast<size_t>(size));
    std::vector<std::thread> threads;
    for (int64_t rank = 0; rank < size; ++rank) {
      threads.emplace_back([&, rank] {
        try {
          const auto group = join(rank, size);
          work(*group);
        } catch (const Error& error) {
          ends[static_cast<size_t>(rank)] = error.what();
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    return ends;
  }
};

void wait_for_end(const ProcessGroup& group) {
  while (true) {
    group.check();
    std::this_thread::sleep_for(milliseconds(1));
  }
}

TEST(ProcessGroup, GathersInTheOrderOfRanks) {
  Processes run;
  const std::string large(3'500'000, 'x');
  const auto ends = run.all(3, [&](ProcessGroup& group) {
    const std::string rank = std::to_string(group.rank());
    for (int i = 0; i < 20; ++i) {
      const std::string number = std::to_string(i);
      EXPECT_EQ(group.all_gather(fmt::format("{} of {}", number, rank)),
                (std::vector<std::string>{number + " of 0", number + " of 1", number + " of 2"}));
    }
    EXPECT_EQ(group.broadcast("from " + rank), "from 0");
    EXPECT_EQ(group.all_gather(group.rank() == 1 ? large : "")[1], large);
    group.agree("the text", "same");
    group.finish();
  });
  EXPECT_EQ(ends, std::vector<std::string>(3));
  EXPECT_EQ(run.stops, 0);
  // Three signs of life, and of each process the values of two exchanges, one of them in four parts.
  EXPECT_LE(run.memory.most_values, 3U + 3 * 2 + 3);
}

TEST(ProcessGroup, NamesTheOneThatDoesNotAgree) {
  Processes run;
  const auto ends = run.all(3, [](ProcessGroup& group) {
    try {
      group.agree("the model", group.rank() == 2 ? "b" : "a");
    } catch (const Error& error) {
      EXPECT_EQ(group.end({group.rank(), EndKind::bad_input, error.what()}), group.rank() == 0);  // one of them tells
      throw;
    }
  });
  for (const std::string& end : ends) {
    EXPECT_EQ(end, "rank 2 does not work on the same as rank 0: the model is b there, and a here");
  }
}

TEST(ProcessGroup, AnErrorEndsAll) {
  Processes run;
  std::atomic<int> tell = 0;
  const auto ends = run.all(3, [&](ProcessGroup& group) {
    if (group.rank() == 1) {
      if (group.end({1, EndKind::bad_input, "no such file"})) ++tell;
      return;
    }
    try {
      if (group.rank() == 0) wait_for_end(group);
      group.all_gather("");
    } catch (const OtherEnded& other) {
      EXPECT_EQ(other.kind(), ErrorKind::bad_input);
      if (group.end(other.ending())) tell += 10;
      throw;
    }
  });
  EXPECT_EQ(ends, (std::vector<std::string>{"rank 1 ended: no such file", "", "rank 1 ended: no such file"}));
  EXPECT_EQ(run.stops, 2);
  EXPECT_EQ(tell, 11);  // rank 1, whose problem it is, and rank 0
}

TEST(ProcessGroup, EverybodysErrorIsToldOnce) {
  Processes run;
  std::atomic<int> tell = 0;
  run.all(3, [&](ProcessGroup& group) { tell += group.end({group.rank(), EndKind::bad_input, "no such file"}); });
  EXPECT_EQ(tell, 1);
}

TEST(ProcessGroup, RankZerosStoreStaysUntilTheOthersKnowItsError) {
  for (int i = 0; i < 10; ++i) {
    Processes run;
    const auto end = [&](int64_t rank, milliseconds late) {
      const auto group = run.join(rank, 2);
      std::this_thread::sleep_for(late);
      return group->end({rank, EndKind::bad_input, "no such file"});
    };
    std::thread leader([&] {
      EXPECT_TRUE(end(0, milliseconds(50)));
      const std::lock_guard lock(run.memory.mutex);
      run.memory.lost = true;
    });
    EXPECT_FALSE(end(1, milliseconds(0)));
    leader.join();
  }
}

TEST(ProcessGroup, SilenceIsNoticed) {
  Processes run;
  const auto place = [&](int64_t rank, const std::string& text) {
    MemoryStore(run.memory).set("test/status/" + std::to_string(rank), text);
  };
  place(1, R"({"beat": 5, "state": 0, "listens": false})");  // and never again
  const auto group = run.join(0, 2);
  const auto begin = std::chrono::steady_clock::now();
  try {
    group->all_gather("");
    FAIL();
  } catch (const OtherEnded& other) {
    EXPECT_EQ(other.what(), std::string("rank 1 has not been heard of for 0 s"));
    EXPECT_TRUE(group->end(other.ending()));
  }
  EXPECT_GE(std::chrono::steady_clock::now() - begin, milliseconds(380));
}

TEST(ProcessGroup, WhoIsDoneMayBeSilent) {
  Processes run;
  MemoryStore(run.memory).set("test/status/1", R"({"beat": 5, "state": 1, "listens": false})");
  const auto group = run.join(0, 2);
  std::this_thread::sleep_for(milliseconds(600));
  EXPECT_NO_THROW(group->check());
  group->finish();
}

TEST(ProcessGroup, NonsenseOfAnotherIsRefused) {
  for (const char* text :
       {"", "5", R"({"beat": 1, "state": 0})", R"({"beat": -1, "state": 0, "listens": false})",
        R"({"beat": 1, "state": 9, "listens": false})",
        R"({"beat": 1, "state": 3, "listens": false, "rank": 1, "kind": 3, "message": "", "told": true})"}) {
    Processes run;
    MemoryStore(run.memory).set("test/status/1", text);
    const auto group = run.join(0, 2);
    EXPECT_THROW(wait_for_end(*group), OtherEnded) << text;
  }
}

TEST(ProcessGroup, ALostStoreIsRankZeros) {
  Processes run;
  const auto ends = run.all(2, [&](ProcessGroup& group) {
    if (group.rank() == 0) {
      const std::lock_guard lock(run.memory.mutex);
      run.memory.lost = true;
      return;
    }
    try {
      wait_for_end(group);
    } catch (const OtherEnded& other) {
      EXPECT_TRUE(group.end(other.ending()));  // rank 0 can't
      throw;
    }
  });
  EXPECT_EQ(ends[1], "rank 0 is gone: lost the store");
}

TEST(ProcessGroup, FinishWaitsForRankZero) {
  Processes run;
  std::atomic<bool> written = false;
  const auto ends = run.all(3, [&](ProcessGroup& group) {
    if (group.leads()) {
      std::this_thread::sleep_for(milliseconds(600));  // others' silence would count as an end by now
      written = true;
    }
    group.finish();
    EXPECT_TRUE(written);
  });
  EXPECT_EQ(ends, std::vector<std::string>(3));
}

TEST(ProcessGroup, RankZeroMayFailWhileTheOthersAreDone) {
  Processes run;
  const auto ends = run.all(2, [](ProcessGroup& group) {
    if (group.leads()) {
      group.end({0, EndKind::failed, "disk full"});
    } else {
      group.finish();
    }
  });
  EXPECT_EQ(ends[1], "rank 0 ended: disk full");
}

TEST(ProcessGroup, SomebodyDoesNotCome) {
  Processes run;
  try {
    run.join(0, 2);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("rank 1 has not come"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace sleb
