#include "sleb/base/content_hash.h"

#include <fmt/core.h>
#include <xxhash.h>

#include <new>

namespace sleb {

struct ContentHash::State {
  XXH3_state_t* value = XXH3_createState();
  State() {
    if (value == nullptr) throw std::bad_alloc();
    XXH3_128bits_reset(value);
  }
  ~State() { XXH3_freeState(value); }
};

ContentHash::ContentHash() : state_(std::make_unique<State>()) {}
ContentHash::~ContentHash() = default;

void ContentHash::add(Bytes bytes) {
  XXH3_128bits_update(state_->value, bytes.data(), bytes.size());
}

void ContentHash::add(std::string_view text) {
  add(std::as_bytes(std::span(text.data(), text.size())));
}

std::string ContentHash::text() const {
  const XXH128_hash_t hash = XXH3_128bits_digest(state_->value);
  return fmt::format("xxh3:{:016x}{:016x}", hash.high64, hash.low64);
}

}  // namespace sleb
