// For tests: what a user reads when something is refused.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "sleb/base/error.h"

namespace sleb {

// The message of the Error(bad_input), one line, that `action` throws; "no error" where it throws none.
std::string error_message(const auto& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::bad_input) << error.what();
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    return error.what();
  }
  return "no error";
}

}  // namespace sleb
