#include "sleb/base/torchrun_environment.h"

#include <gtest/gtest.h>

#include <map>

#include "sleb/base/error.h"

namespace sleb {
namespace {

using Values = std::map<std::string, std::string>;

TorchrunEnvironment read(const Values& values) {
  return read_torchrun_environment([&](const char* name) -> const char* {
    const auto found = values.find(name);
    return found == values.end() ? nullptr : found->second.c_str();
  });
}

Values torchrun(const Values& changes = {}) {
  Values values{{"RANK", "2"},
                {"WORLD_SIZE", "4"},
                {"LOCAL_RANK", "0"},
                {"LOCAL_WORLD_SIZE", "2"},
                {"MASTER_ADDR", "10.0.0.1"},
                {"MASTER_PORT", "29500"},
                {"TORCHELASTIC_USE_AGENT_STORE", "True"},
                {"TORCHELASTIC_RESTART_COUNT", "3"},
                {"TORCHELASTIC_RUN_ID", "none"}};
  for (const auto& [name, value] : changes) values[name] = value;
  return values;
}

void expect_refused(const Values& values, const std::string& what) {
  try {
    read(values);
    ADD_FAILURE() << "accepted; expected: " << what;
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::bad_input);
    EXPECT_NE(std::string(error.what()).find(what), std::string::npos) << error.what();
  }
}

TEST(TorchrunEnvironment, OneProcessWhereNothingIsSet) {
  const TorchrunEnvironment environment = read({{"OMP_NUM_THREADS", "1"}});
  EXPECT_FALSE(environment.many());
  EXPECT_EQ(environment.rank, 0);
}

TEST(TorchrunEnvironment, AllOfIt) {
  const TorchrunEnvironment environment = read(torchrun());
  EXPECT_EQ(environment.rank, 2);
  EXPECT_EQ(environment.size, 4);
  EXPECT_EQ(environment.local_rank, 0);
  EXPECT_EQ(environment.local_size, 2);
  EXPECT_EQ(environment.address, "10.0.0.1");
  EXPECT_EQ(environment.port, 29500);
  EXPECT_TRUE(environment.agent_store);
  EXPECT_TRUE(environment.torchrun);
  EXPECT_EQ(environment.restarts, 3);
  EXPECT_EQ(environment.run_id, "none");
}

TEST(TorchrunEnvironment, ByHandTheFewThatCountSuffice) {
  const TorchrunEnvironment environment =
      read({{"RANK", "1"}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", "host"}, {"MASTER_PORT", "1"}});
  EXPECT_TRUE(environment.many());
  EXPECT_FALSE(environment.agent_store);
  EXPECT_FALSE(environment.torchrun);
}

TEST(TorchrunEnvironment, OneProcessNeedsNoMeetingPoint) {
  EXPECT_FALSE(read({{"RANK", "0"}, {"WORLD_SIZE", "1"}}).many());
}

TEST(TorchrunEnvironment, RefusesWhatMakesNoSense) {
  expect_refused(torchrun({{"RANK", "x"}}), "RANK=x: expected a whole number from 0 to 3");
  expect_refused(torchrun({{"RANK", "4"}}), "RANK=4");
  expect_refused(torchrun({{"RANK", "-1"}}), "RANK=-1");
  expect_refused(torchrun({{"RANK", "1 "}}), "RANK=1 ");
  expect_refused(torchrun({{"RANK", ""}}), "RANK has 0 characters");
  expect_refused(torchrun({{"WORLD_SIZE", "0"}}), "WORLD_SIZE=0");
  expect_refused(torchrun({{"WORLD_SIZE", "99999999999999999999"}}), "WORLD_SIZE=99999999999999999999");
  expect_refused(torchrun({{"LOCAL_RANK", "4"}}), "LOCAL_RANK=4");
  expect_refused(torchrun({{"LOCAL_WORLD_SIZE", "5"}}), "LOCAL_WORLD_SIZE=5");
  expect_refused(torchrun({{"MASTER_PORT", "65536"}}), "MASTER_PORT=65536");
  expect_refused(torchrun({{"MASTER_ADDR", ""}}), "MASTER_ADDR has 0 characters");
  expect_refused(torchrun({{"TORCHELASTIC_RUN_ID", std::string(2000, 'x')}}), "TORCHELASTIC_RUN_ID has 2000");
  expect_refused(torchrun({{"TORCHELASTIC_RESTART_COUNT", "many"}}), "TORCHELASTIC_RESTART_COUNT=many");
  expect_refused({{"RANK", "0"}}, "WORLD_SIZE is not set");
  expect_refused({{"WORLD_SIZE", "2"}}, "RANK is not set");
  expect_refused({{"RANK", "0"}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", "host"}}, "MASTER_PORT is not set");
}

}  // namespace
}  // namespace sleb
