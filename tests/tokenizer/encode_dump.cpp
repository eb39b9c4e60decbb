// encode_dump [--no-special-tokens] [--seconds] MODEL STRINGS: the ids of many strings.
//
// STRINGS holds byte strings, each after its length (uint32, little-endian as all numbers here). Standard output gets
// for each its number of ids and the ids, int32. With --seconds it gets one line instead: how long encoding took.

#include <chrono>
#include <cstdio>
#include <cstring>
#include <span>
#include <vector>

#include "sleb/base/error.h"
#include "sleb/base/file.h"
#include "sleb/checkpoint/checkpoint.h"

namespace {

std::vector<std::string_view> split_strings(std::string_view file) {
  std::vector<std::string_view> strings;
  while (!file.empty()) {
    uint32_t length = 0;
    if (file.size() < sizeof length) {
      sleb::bad_input("STRINGS ends within a length");
    }
    std::memcpy(&length, file.data(), sizeof length);
    file.remove_prefix(sizeof length);
    if (file.size() < length) {
      sleb::bad_input("STRINGS ends within string {}", strings.size());
    }
    strings.push_back(file.substr(0, length));
    file.remove_prefix(length);
  }
  return strings;
}

void write(std::span<const int32_t> numbers) {
  if (std::fwrite(numbers.data(), sizeof(int32_t), numbers.size(), stdout) != numbers.size()) {
    sleb::failed("can't write to standard output");
  }
}

void run(const char* model, const char* path, bool add_special_tokens, bool seconds_only) {
  const sleb::Tokenizer tokenizer = sleb::load_tokenizer(model);
  const sleb::MappedFile file(path);
  double seconds = 0;
  for (const std::string_view string : split_strings(file.text())) {
    const auto start = std::chrono::steady_clock::now();
    const std::vector<int64_t> ids = tokenizer.encode(string, add_special_tokens);
    seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (!seconds_only) {
      write(std::vector{static_cast<int32_t>(ids.size())});
      write(std::vector<int32_t>(ids.begin(), ids.end()));
    }
  }
  if (seconds_only) {
    std::printf("%.6f\n", seconds);
  }
}

}  // namespace

int main(int argc, char** argv) {
  bool add_special_tokens = true;
  bool seconds_only = false;
  int used = 1;
  for (; used < argc && std::strncmp(argv[used], "--", 2) == 0; ++used) {
    add_special_tokens &= std::strcmp(argv[used], "--no-special-tokens") != 0;
    seconds_only |= std::strcmp(argv[used], "--seconds") == 0;
  }
  if (argc - used != 2) {
    std::fputs("usage: encode_dump [--no-special-tokens] [--seconds] MODEL STRINGS\n", stderr);
    return 2;
  }
  try {
    run(argv[used], argv[used + 1], add_special_tokens, seconds_only);
  } catch (const sleb::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
  return 0;
}
