#include "sleb/unicode/replace.h"

#include "sleb/base/utf8.h"

namespace sleb {

std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
  std::string replaced;
  if (from.empty()) {
    for (size_t i = 0; i < text.size();) {
      const size_t size = character_size(text[i]);
      replaced.append(to).append(text.substr(i, size));
      i += size;
    }
    return replaced.append(to);
  }
  size_t done = 0;
  for (size_t i = text.find(from); i != text.npos; i = text.find(from, done)) {
    replaced.append(text.substr(done, i - done)).append(to);
    done = i + from.size();
  }
  return replaced.append(text.substr(done));
}

}  // namespace sleb
