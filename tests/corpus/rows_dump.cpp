// For test_corpus.py: rows_dump FILE SEED COUNT prints the first COUNT rows of FILE shuffled by SEED, joined; with
// COUNT "all", every row in file order, joined.
#include <cstdio>
#include <string>

#include "sleb/base/error.h"
#include "sleb/corpus/corpus.h"

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fputs("usage: rows_dump FILE SEED COUNT|all\n", stderr);
    return 2;
  }
  try {
    const sleb::TextSource file{std::filesystem::path(argv[1])};
    const std::string count = argv[3];
    const sleb::TextRows text =
        count == "all" ? sleb::read_rows(file) : sleb::read_sample(file, std::stoull(argv[2]), std::stoll(count));
    const std::string joined = sleb::join_rows(text.rows, text.rules);
    return std::fwrite(joined.data(), 1, joined.size(), stdout) == joined.size() ? 0 : 1;
  } catch (const sleb::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return error.kind() == sleb::ErrorKind::bad_input ? 2 : 1;
  }
}
