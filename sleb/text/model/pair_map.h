// A hash table for pairs of token ids: open addressing in one block of memory, which a tokenizer asks once or more for
// every character of a text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace sleb {

struct TokenPair {
  int32_t left, right;  // not negative
  bool operator==(const TokenPair&) const = default;
};

template <typename Value>
class PairMap {
 public:
  PairMap() : slots_(16) {}
  explicit PairMap(size_t expected) : slots_(16) {
    while (slots_.size() < expected * 2) slots_.resize(slots_.size() * 2);
  }

  void insert_or_assign(TokenPair pair, Value value) {
    if ((size_ + 1) * 2 > slots_.size()) grow();
    Slot& slot = slots_[slot_of(pair)];
    size_ += slot.pair == none;
    slot = {pair, value};
  }

  const Value* find(TokenPair pair) const {
    const Slot& slot = slots_[slot_of(pair)];
    return slot.pair == none ? nullptr : &slot.value;
  }

 private:
  static constexpr TokenPair none = {-1, -1};
  struct Slot {
    TokenPair pair = none;
    Value value = {};
  };

  // The slot that holds the pair, or the free one where it would go.
  size_t slot_of(TokenPair pair) const {
    uint64_t hash = static_cast<uint64_t>(static_cast<uint32_t>(pair.left)) << 32 | static_cast<uint32_t>(pair.right);
    hash = (hash ^ (hash >> 33)) * 0xFF51AFD7ED558CCDu;  // the finalizer of MurmurHash3
    hash = (hash ^ (hash >> 33)) * 0xC4CEB9FE1A85EC53u;
    size_t slot = (hash ^ (hash >> 33)) & (slots_.size() - 1);
    while (!(slots_[slot].pair == none) && !(slots_[slot].pair == pair)) slot = (slot + 1) & (slots_.size() - 1);
    return slot;
  }

  void grow() {
    std::vector<Slot> old(slots_.size() * 2);
    old.swap(slots_);
    for (const Slot& slot : old) {
      if (!(slot.pair == none)) slots_[slot_of(slot.pair)] = slot;
    }
  }

  std::vector<Slot> slots_;
  size_t size_ = 0;
};

}  // namespace sleb
