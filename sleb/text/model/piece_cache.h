// Pieces met before and their ids. Words recur: most of a text's pieces are found here.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "sleb/text/model/vocabulary.h"

namespace sleb {

class PieceCache {
 public:
  // The ids of `piece`, valid until the next add().
  std::optional<std::span<const int32_t>> find(std::string_view piece) const;
  // Full, the cache stays as it is: frequent pieces come early. Long pieces are not kept, they seldom recur.
  void add(std::string_view piece, std::span<const int32_t> ids);

 private:
  static constexpr size_t longest_piece = 256;  // bytes
  static constexpr size_t most_pieces = size_t{1} << 16;

  struct Entry {
    size_t begin, count;
  };
  StringMap<Entry> entries_;
  std::vector<int32_t> ids_;
};

inline std::optional<std::span<const int32_t>> PieceCache::find(std::string_view piece) const {
  if (piece.size() > longest_piece) return {};
  const auto known = entries_.find(piece);
  if (known == entries_.end()) return {};
  return std::span(ids_).subspan(known->second.begin, known->second.count);
}

inline void PieceCache::add(std::string_view piece, std::span<const int32_t> ids) {
  if (piece.size() > longest_piece || entries_.size() >= most_pieces) return;
  entries_.emplace(piece, Entry{ids_.size(), ids.size()});
  ids_.insert(ids_.end(), ids.begin(), ids.end());
}

// What one call of encode() at a time writes to. Kept from call to call, so that its cache and memory are used again.
template <typename Workspace>
class WorkspacePool {
 public:
  // Returns itself to the pool when it ends.
  class Lease {
   public:
    explicit Lease(WorkspacePool& pool) : pool_(pool) {
      const std::lock_guard lock(pool_.mutex_);
      if (pool_.idle_.empty()) {
        workspace_ = std::make_unique<Workspace>();
      } else {
        workspace_ = std::move(pool_.idle_.back());
        pool_.idle_.pop_back();
      }
    }
    ~Lease() {
      const std::lock_guard lock(pool_.mutex_);
      pool_.idle_.push_back(std::move(workspace_));
    }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    Workspace& operator*() const { return *workspace_; }

   private:
    WorkspacePool& pool_;
    std::unique_ptr<Workspace> workspace_;
  };

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<Workspace>> idle_;
};

}  // namespace sleb
