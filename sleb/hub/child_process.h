// Another program, started without a shell, whose output is collected. It does not outlive its parent.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace sleb {

class ChildProcess {
 public:
  static constexpr int could_not_start = 127;  // an exit code

  // Starts `program` in a process group of its own: Ctrl-C on the terminal reaches the parent alone, which stops it.
  // Standard input is empty. `variables` are set in its environment beside this process's. Throws Error(failed).
  ChildProcess(const std::filesystem::path& program, const std::vector<std::string>& arguments,
               const std::map<std::string, std::string>& variables);
  ~ChildProcess();  // stops it
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  // Collects what it writes, for that long or until it ends. Returns whether it has ended.
  bool wait(std::chrono::milliseconds longest);
  // Kills it and what it started.
  void stop();

  pid_t pid() const { return pid_; }
  const std::string& output() const { return output_; }
  const std::string& errors() const { return errors_; }
  // Of one that has ended: its exit code, or -signal. could_not_start: it did not.
  int exit_code() const { return exit_code_; }

 private:
  bool collect(int& descriptor, std::string& text);
  void reap(int flags);

  pid_t pid_ = -1;
  int output_pipe_ = -1;  // -1: closed
  int errors_pipe_ = -1;
  std::string output_;
  std::string errors_;
  bool ended_ = false;
  int exit_code_ = 0;
};

}  // namespace sleb
