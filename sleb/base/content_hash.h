// A fast fingerprint of large content (XXH3, 128 bits, through libxxhash): tells that two models differ; no protection
// against somebody who wants them to look the same.
#pragma once

#include <memory>
#include <string>

#include "sleb/base/file.h"

namespace sleb {

class ContentHash {
 public:
  ContentHash();
  ~ContentHash();
  ContentHash(const ContentHash&) = delete;
  ContentHash& operator=(const ContentHash&) = delete;

  void add(Bytes bytes);
  void add(std::string_view text);
  // "xxh3:" and 32 lower-case hexadecimal digits, of everything added so far.
  std::string text() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sleb
