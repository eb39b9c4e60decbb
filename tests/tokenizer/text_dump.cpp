// text_dump [--skip-special-tokens] MODEL IDS: the texts of many sequences of token ids.
//
// IDS holds sequences of int32 (little-endian as all numbers here), each after its length. Standard output gets for
// each the number of parts that follow, uint32: first the text as Tokenizer::decode gives it, then what a TextStream
// gives after every id and at the end. A part is its length in bytes, uint32, and the bytes.

#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "sleb/base/error.h"
#include "sleb/base/file.h"
#include "sleb/checkpoint/checkpoint.h"

namespace {

std::vector<std::vector<int64_t>> read_sequences(std::string_view file) {
  const auto number = [&] {
    int32_t value = 0;
    if (file.size() < sizeof value) sleb::bad_input("IDS ends within a number or a sequence");
    std::memcpy(&value, file.data(), sizeof value);
    file.remove_prefix(sizeof value);
    return value;
  };
  std::vector<std::vector<int64_t>> sequences;
  while (!file.empty()) {
    sequences.emplace_back();
    for (int32_t left = number(); left > 0; --left) sequences.back().push_back(number());
  }
  return sequences;
}

void write(std::string_view bytes) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), stdout) != bytes.size())
    sleb::failed("can't write to standard output");
}

void write_number(size_t number) {
  const auto value = static_cast<uint32_t>(number);
  write({reinterpret_cast<const char*>(&value), sizeof value});
}

void run(const char* model, const char* path, bool skip_special_tokens) {
  const sleb::Tokenizer tokenizer = sleb::load_tokenizer(model);
  const sleb::MappedFile file(path);
  for (const std::vector<int64_t>& ids : read_sequences(file.text())) {
    std::vector<std::string> parts = {tokenizer.decode(ids, skip_special_tokens)};
    sleb::TextStream stream = tokenizer.stream(skip_special_tokens);
    for (const int64_t id : ids) parts.push_back(stream.add(id));
    parts.push_back(stream.finish());
    write_number(parts.size());
    for (const std::string& part : parts) {
      write_number(part.size());
      write(part);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  const bool skip = argc == 4 && std::strcmp(argv[1], "--skip-special-tokens") == 0;
  if (argc != (skip ? 4 : 3)) {
    std::fputs("usage: text_dump [--skip-special-tokens] MODEL IDS\n", stderr);
    return 2;
  }
  try {
    run(argv[argc - 2], argv[argc - 1], skip);
  } catch (const sleb::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
  return 0;
}
