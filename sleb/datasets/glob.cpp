#include "sleb/datasets/glob.h"

#include <algorithm>

#include "sleb/base/error.h"
#include "sleb/base/utf8.h"

namespace sleb {
namespace {

std::u32string characters_of(std::string_view text) {
  std::u32string characters;
  while (!text.empty()) {
    const size_t size = std::max<size_t>(1, utf8_character(text));
    characters += utf8_character(text) == 0 ? char32_t{0xFFFD} : first_character(text);
    text.remove_prefix(size);
  }
  return characters;
}

std::vector<std::u32string> split(std::string_view path) {
  std::vector<std::u32string> names;
  for (size_t begin = 0; begin <= path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    names.push_back(characters_of(path.substr(begin, end - begin)));
    begin = end + 1;
  }
  return names;
}

}  // namespace

bool is_glob(std::string_view pattern) {
  return pattern.find_first_of("*?[") != pattern.npos;
}

bool Glob::Piece::takes(char32_t given) const {
  if (kind == Kind::character) return given == character;
  if (kind != Kind::set) return true;
  const bool inside =
      std::ranges::any_of(ranges, [&](const Range& range) { return range.first <= given && given <= range.last; });
  return inside != negated;
}

// "a-z" is a range; a "-" at either end is itself. An empty range holds nothing.
Glob::Piece Glob::set_of(std::u32string_view inside) {
  Piece piece{Piece::Kind::set};
  piece.negated = inside.starts_with(U'!');
  if (piece.negated) inside.remove_prefix(1);
  for (size_t i = 0; i < inside.size(); ++i) {
    if (i + 2 < inside.size() && inside[i + 1] == U'-') {
      if (inside[i] <= inside[i + 2]) piece.ranges.push_back({inside[i], inside[i + 2]});
      i += 2;
    } else {
      piece.ranges.push_back({inside[i], inside[i]});
    }
  }
  return piece;
}

Glob::Name Glob::name_of(std::u32string_view text) {
  Name name;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == U'*') {
      name.push_back({Piece::Kind::star});
    } else if (text[i] == U'?') {
      name.push_back({Piece::Kind::any});
    } else if (text[i] == U'[') {
      size_t end = i + 1;
      if (end < text.size() && text[end] == U'!') ++end;
      if (end < text.size() && text[end] == U']') ++end;
      end = text.find(U']', end);
      if (end == text.npos) {
        name.push_back({Piece::Kind::character, U'['});
        continue;
      }
      name.push_back(set_of(text.substr(i + 1, end - i - 1)));
      i = end;
    } else {
      name.push_back({Piece::Kind::character, text[i]});
    }
  }
  return name;
}

Glob::Glob(std::string_view pattern) {
  for (const std::u32string& text : split(pattern)) {
    if (text != U"**" && text.find(U"**") != text.npos) {
      bad_input("the pattern \"{}\": \"**\" must stand alone between slashes", pattern);
    }
    names_.push_back(text == U"**" ? Name() : name_of(text));
    // "*" alone takes at least one character.
    if (text == U"*") names_.back() = {{Piece::Kind::any}, {Piece::Kind::star}};
    if (text.empty()) names_.back() = {{Piece::Kind::character, U'/'}};  // which no name has
  }
}

// Back to the last star only: what it took before needs no second try.
bool Glob::matches(const Name& name, std::u32string_view given) {
  size_t at = 0, place = 0;
  size_t star = name.size(), after_star = 0;  // star: none yet
  while (place < given.size()) {
    if (at < name.size() && name[at].kind == Piece::Kind::star) {
      star = at++;
      after_star = place;
    } else if (at < name.size() && name[at].takes(given[place])) {
      ++at;
      ++place;
    } else if (star < name.size()) {
      at = star + 1;
      place = ++after_star;
    } else {
      return false;
    }
  }
  return std::all_of(name.begin() + static_cast<std::ptrdiff_t>(at), name.end(),
                     [](const Piece& piece) { return piece.kind == Piece::Kind::star; });
}

bool Glob::matches(std::string_view path) const {
  const std::vector<std::u32string> given = split(path);
  // reached[i]: the names so far take the first i folders of the path.
  std::vector<bool> reached(given.size() + 1, false);
  reached[0] = true;
  for (size_t n = 0; n < names_.size(); ++n) {
    std::vector<bool> next(given.size() + 1, false);
    const bool last = n + 1 == names_.size();
    bool any = false;  // of reached[0] to reached[i - 1]
    for (size_t i = 0; i <= given.size(); ++i) {
      if (names_[n].empty()) {
        // At the end it takes a file at least, elsewhere any number of folders, or none.
        next[i] = any || (!last && reached[i]);
      } else if (i > 0) {
        next[i] = reached[i - 1] && matches(names_[n], given[i - 1]);
      }
      any = any || reached[i];
    }
    reached = std::move(next);
  }
  return reached[given.size()];
}

}  // namespace sleb
