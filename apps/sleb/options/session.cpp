#include <new>

#include "apps/sleb/options/session.h"
#include "sleb/base/error.h"

namespace sleb::app {

void check_alone(const Session& session, std::string_view command) {
  if (!session.environment.many()) return;
  if (session.environment.rank > 0) throw ToldElsewhere{ErrorKind::bad_input};
  bad_input("sleb {} is not made for many processes; start it without torchrun", command);
}

Failure current_failure() {
  try {
    throw;
  } catch (const Error& error) {
    return {error.kind(), error.what()};
  } catch (const Interrupted& interrupted) {
    return {ErrorKind::failed, interrupted.what()};
  } catch (const std::bad_alloc&) {
    return {ErrorKind::failed, "out of memory; give fewer or shorter segments or sequences, or a narrower --dtype"};
  } catch (const std::exception& error) {
    // libtorch's messages carry a stack trace after the first line.
    const std::string what = error.what();
    return {ErrorKind::failed, what.substr(0, what.find('\n'))};
  }
}

}  // namespace sleb::app
