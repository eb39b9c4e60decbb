// Patterns of files, as a data set's card gives them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sleb {

// Whether `pattern` has any of "*", "?" and "[".
bool is_glob(std::string_view pattern);

// A pattern as fsspec's glob takes it (fsspec/utils.py, glob_translate): "*" is any part of a name and "**" any number
// of folders, "?" is one character, "[a-z]" and "[!a-z]" one of some.
class Glob {
 public:
  // Throws Error(bad_input) for a "**" that is a part of a name. Pattern and paths are UTF-8.
  explicit Glob(std::string_view pattern);

  bool matches(std::string_view path) const;

 private:
  struct Range {
    char32_t first, last;
  };
  // What one character, or for a star any number of them, may be.
  struct Piece {
    enum class Kind { character, any, star, set } kind;
    char32_t character = 0;
    bool negated = false;
    std::vector<Range> ranges = {};

    bool takes(char32_t given) const;
  };
  using Name = std::vector<Piece>;  // of a file or folder

  static Name name_of(std::u32string_view text);
  static Piece set_of(std::u32string_view inside);
  static bool matches(const Name& name, std::u32string_view given);

  // A name that is nothing but "**" is empty here.
  std::vector<Name> names_;
};

}  // namespace sleb
