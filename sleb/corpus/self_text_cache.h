// Texts that a model has written, kept for the next time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "sleb/base/json.h"
#include "sleb/base/progress.h"
#include "sleb/corpus/corpus.h"

namespace sleb {

// As sleb.json and cache files record them.
OrderedJson to_json(const SelfTextOptions& options);

class SelfTextCache {
 public:
  // $XDG_CACHE_HOME/sleb/self-text, with ~/.cache where that is not set or no absolute path (XDG Base Directory
  // Specification). Empty where there is no home either.
  static std::filesystem::path default_folder();

  // `key`: all that the text's ids depend on. Without a folder nothing is kept.
  SelfTextCache(const std::filesystem::path& folder, OrderedJson key);

  // Empty without a folder.
  const std::filesystem::path& file() const { return file_; }

  // The text's `tokens` ids, if they are kept. A file that can't be read or is not what was written is told of, and
  // counts as none.
  std::optional<std::vector<int64_t>> load(int64_t tokens, Progress& progress) const;
  // A disk that refuses costs a warning, not the text.
  void save(const std::vector<int64_t>& ids, Progress& progress) const;

 private:
  std::filesystem::path file_;
  OrderedJson key_;
};

}  // namespace sleb
