#include "sleb/hub/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "sleb/base/error.h"

namespace sleb {
namespace {

constexpr size_t longest_text = size_t{4} << 20;  // of each stream; what comes before its last half may be dropped
constexpr std::chrono::milliseconds between_looks{20};

struct Pipe {
  int read = -1;
  int write = -1;
};

Pipe open_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) failed("can't open a pipe: {}", std::strerror(errno));
  return {ends[0], ends[1]};
}

std::vector<std::string> environment_with(const std::map<std::string, std::string>& variables) {
  std::vector<std::string> out;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    if (!variables.contains(text.substr(0, text.find('=')))) out.push_back(text);
  }
  for (const auto& [name, value] : variables) out.push_back(fmt::format("{}={}", name, value));
  return out;
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

// In the child, between fork and exec: only what a signal handler may call.
[[noreturn]] void become(const char* program, char* const* arguments, char* const* environment, int output, int errors,
                         pid_t parent) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(ChildProcess::could_not_start);
  const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  ::dup2(nothing, STDIN_FILENO);
  ::dup2(output, STDOUT_FILENO);
  ::dup2(errors, STDERR_FILENO);
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
  std::signal(SIGPIPE, SIG_DFL);
  ::execve(program, arguments, environment);
  ::_exit(ChildProcess::could_not_start);
}

}  // namespace

ChildProcess::ChildProcess(const std::filesystem::path& program, const std::vector<std::string>& arguments,
                           const std::map<std::string, std::string>& variables) {
  std::vector<std::string> words = {program.string()};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<std::string> environment = environment_with(variables);
  const std::vector<char*> word_pointers = pointers_to(words);
  const std::vector<char*> environment_pointers = pointers_to(environment);
  const Pipe output = open_pipe();
  const Pipe errors = open_pipe();
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ == 0) {
    become(words[0].c_str(), word_pointers.data(), environment_pointers.data(), output.write, errors.write, parent);
  }
  const int error = errno;
  ::close(output.write);
  ::close(errors.write);
  output_pipe_ = output.read;
  errors_pipe_ = errors.read;
  if (pid_ < 0) {
    ended_ = true;
    failed("{}: can't start: {}", program.string(), std::strerror(error));
  }
  ::setpgid(pid_, pid_);  // whoever comes first, so that stop() finds the group
}

ChildProcess::~ChildProcess() {
  stop();
  if (output_pipe_ >= 0) ::close(output_pipe_);
  if (errors_pipe_ >= 0) ::close(errors_pipe_);
}

// Reads what there is. Returns whether there may be more.
bool ChildProcess::collect(int& descriptor, std::string& text) {
  char buffer[1 << 14];
  const ssize_t size = ::read(descriptor, buffer, sizeof buffer);
  if (size < 0 && (errno == EINTR || errno == EAGAIN)) return true;
  if (size <= 0) {
    ::close(descriptor);
    descriptor = -1;
    return false;
  }
  text.append(buffer, static_cast<size_t>(size));
  if (text.size() > longest_text) text.erase(0, longest_text / 2);
  return true;
}

void ChildProcess::reap(int flags) {
  int status = 0;
  pid_t reaped = 0;
  do reaped = ::waitpid(pid_, &status, flags);
  while (reaped < 0 && errno == EINTR);
  if (reaped == 0) return;
  ended_ = true;
  if (reaped < 0) {  // another wait took it, and how it ended is not known
    exit_code_ = 1;
    return;
  }
  exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

bool ChildProcess::wait(std::chrono::milliseconds longest) {
  const auto end = std::chrono::steady_clock::now() + longest;
  while (!ended_) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    pollfd pipes[] = {{output_pipe_, POLLIN, 0}, {errors_pipe_, POLLIN, 0}};
    // A child of its own may keep a pipe open, so the end of the pipes is not waited for.
    const int ready = ::poll(pipes, 2, static_cast<int>(std::min(left, between_looks).count()));
    if (ready < 0 && errno == EINTR) return false;  // a signal: the caller looks what it asks for
    if (ready > 0 && pipes[0].revents != 0) collect(output_pipe_, output_);
    if (ready > 0 && pipes[1].revents != 0) collect(errors_pipe_, errors_);
    if (ready == 0) reap(WNOHANG);
  }
  return true;
}

void ChildProcess::stop() {
  if (ended_) return;
  ::kill(-pid_, SIGKILL);
  ::kill(pid_, SIGKILL);
  reap(0);
}

}  // namespace sleb
