// ids_dump MODEL [--no-special-tokens]: for every line of standard input, the bytes of a text in hexadecimal, prints
// the text's token ids. One run answers for thousands of texts.

#include <cstdio>
#include <iostream>
#include <string>

#include "sleb/base/error.h"
#include "sleb/checkpoint/checkpoint.h"

namespace {

std::string bytes_of(const std::string& digits) {
  std::string bytes;
  for (size_t i = 0; i + 1 < digits.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fputs("usage: ids_dump MODEL [--no-special-tokens]\n", stderr);
    return 2;
  }
  try {
    const sleb::Tokenizer tokenizer = sleb::load_tokenizer(argv[1]);
    for (std::string line; std::getline(std::cin, line);) {
      for (const int64_t id : tokenizer.encode(bytes_of(line), argc == 2)) std::cout << id << ' ';
      std::cout << '\n';
    }
  } catch (const sleb::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
  return 0;
}
