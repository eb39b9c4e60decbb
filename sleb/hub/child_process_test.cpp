#include "sleb/hub/child_process.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

namespace sleb {
namespace {
using namespace std::chrono_literals;

TEST(ChildProcess, CollectsWhatItSays) {
  ChildProcess child("/bin/sh", {"-c", "cat; echo \"$1 $WORD\"; echo oops >&2; exit 3", "sh", "a b"},
                     {{"WORD", "set"}});
  while (!child.wait(1s)) continue;
  EXPECT_EQ(child.output(), "a b set\n");
  EXPECT_EQ(child.errors(), "oops\n");
  EXPECT_EQ(child.exit_code(), 3);
}

TEST(ChildProcess, TakesMoreThanAPipeHolds) {
  ChildProcess child("/bin/sh", {"-c", "head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2"}, {});
  while (!child.wait(1s)) continue;
  EXPECT_EQ(child.output().size(), 300'000U);
  EXPECT_EQ(child.errors().size(), 300'000U);
}

TEST(ChildProcess, IsStoppedWithItsOwnChildren) {
  ChildProcess child("/bin/sh", {"-c", "sleep 100 & echo $!; wait"}, {});
  while (child.output().empty()) child.wait(10ms);
  EXPECT_FALSE(child.wait(10ms));
  child.stop();
  EXPECT_TRUE(child.wait(0ms));
  EXPECT_EQ(child.exit_code(), -SIGKILL);
  const auto grandchild_runs = [&] {  // a dead one that nobody has reaped has no command line
    std::string command;
    std::getline(std::ifstream("/proc/" + std::to_string(std::stoi(child.output())) + "/cmdline"), command);
    return !command.empty();
  };
  for (int i = 0; i < 100 && grandchild_runs(); ++i) ::usleep(10'000);
  EXPECT_FALSE(grandchild_runs());
}

TEST(ChildProcess, SaysThatItCouldNotStart) {
  ChildProcess child("/nowhere/program", {}, {});
  while (!child.wait(1s)) continue;
  EXPECT_EQ(child.exit_code(), 127);
}

}  // namespace
}  // namespace sleb
