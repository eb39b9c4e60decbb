#include "sleb/base/environment.h"

#include <gtest/gtest.h>
#include <pwd.h>
#include <unistd.h>

namespace sleb {
namespace {

TEST(Environment, HomeIsTheVariablesElseTheUserDatabases) {
  const auto home_with = [](const char* value) { return home_folder([=](const char*) { return value; }); };
  EXPECT_EQ(home_with("/somewhere"), "/somewhere");
  EXPECT_EQ(home_with(""), "") << "as posixpath.expanduser";
  EXPECT_EQ(home_with(nullptr), recorded_home());
}

TEST(Environment, RecordedHomesAreTheUserDatabases) {
  const passwd* root = ::getpwuid(0);
  ASSERT_NE(root, nullptr);
  EXPECT_EQ(recorded_home(root->pw_name), root->pw_dir);
  EXPECT_FALSE(recorded_home("no such user"));
  const passwd* own = ::getpwuid(::getuid());
  if (own == nullptr) {
    EXPECT_FALSE(recorded_home());
  } else {
    EXPECT_EQ(recorded_home(), own->pw_dir);
  }
}

}  // namespace
}  // namespace sleb
