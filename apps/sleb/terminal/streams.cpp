#include "apps/sleb/terminal/streams.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "sleb/base/error.h"

namespace sleb::app {
namespace {

// 0, or the error. `waits`: for room in a pipe whose other users don't wait for it.
int write_all(int descriptor, std::string_view text, bool waits) {
  while (!text.empty()) {
    const ssize_t put = ::write(descriptor, text.data(), text.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0 && errno == EAGAIN && waits) {  // a pipe that somebody made non-blocking
      pollfd waiting{descriptor, POLLOUT, 0};
      ::poll(&waiting, 1, -1);
      continue;
    }
    if (put < 0) return errno;
    text.remove_prefix(static_cast<size_t>(put));
  }
  return 0;
}

}  // namespace

void prepare_standard_streams() {
  std::signal(SIGPIPE, SIG_IGN);
  for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(descriptor, F_GETFD) >= 0 || errno != EBADF) continue;
    // What is written to a closed standard output must fail, so it is opened for reading. The lowest free descriptor is
    // this one: those below are open by now.
    const int opened = ::open("/dev/null", descriptor == STDERR_FILENO ? O_WRONLY : O_RDONLY);
    if (opened >= 0 && opened != descriptor) ::close(opened);
  }
}

void write_output(std::string_view text) {
  const int error = write_all(STDOUT_FILENO, text, true);
  if (error == 0) return;
  failed("standard output: can't write: {}", error == EBADF ? "it is closed" : std::strerror(error));
}

void write_message(std::string_view text) {
  write_all(STDERR_FILENO, text, false);
}

}  // namespace sleb::app
