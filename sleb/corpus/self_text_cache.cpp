#include "sleb/corpus/self_text_cache.h"

#include <span>

#include "sleb/base/environment.h"
#include "sleb/base/error.h"
#include "sleb/base/file.h"
#include "sleb/base/sha256.h"

namespace sleb {
namespace fs = std::filesystem;
namespace {

constexpr int64_t format_version = 1;

std::string sha256_of(const std::string& text) {
  return sha256_hex(std::as_bytes(std::span(text)));
}

std::string sha256_of(const std::vector<int64_t>& ids) {
  return sha256_hex(std::as_bytes(std::span(ids)));
}

std::vector<int64_t> ids_from(const JsonView& json, const OrderedJson& key, int64_t tokens) {
  if (json.at("sleb_self_text").integer() != format_version) json.fail("written by another version of sleb");
  if (json.at("key").raw() != Json(key)) json.at("key").fail("of another text");
  const JsonView list = json.at("ids");
  if (static_cast<int64_t>(list.size()) != tokens) list.fail(fmt::format("expected {} ids", tokens));
  std::vector<int64_t> ids;
  ids.reserve(list.size());
  for (size_t i = 0; i < list.size(); ++i) ids.push_back(list.at(i).integer(0));
  if (json.at("ids_sha256").string() != sha256_of(ids)) list.fail("not the ids that were written");
  return ids;
}

}  // namespace

OrderedJson to_json(const SelfTextOptions& options) {
  return {{"tokens", options.tokens},
          {"temperature", 1},
          {"seed", options.seed},
          {"part", options.part == SelfTextPart::train ? "train" : "evaluation"}};
}

fs::path SelfTextCache::default_folder() {
  const char* named = own_variable("XDG_CACHE_HOME");
  const bool counts = named != nullptr && fs::path(named).is_absolute();
  const fs::path caches = counts ? fs::path(named) : home_folder().value_or("") / fs::path(".cache");
  return caches.is_absolute() ? caches / "sleb" / "self-text" : fs::path();
}

SelfTextCache::SelfTextCache(const fs::path& folder, OrderedJson key)
    : file_(folder.empty() ? fs::path() : folder / (sha256_of(key.dump()) + ".json")), key_(std::move(key)) {}

std::optional<std::vector<int64_t>> SelfTextCache::load(int64_t tokens, Progress& progress) const {
  std::error_code ignored;
  if (file_.empty() || !fs::exists(file_, ignored)) return {};
  try {
    const std::string label = file_.string();
    const Json document = parse_json(read_file(file_), label);
    return ids_from(JsonView(document, label), key_, tokens);
  } catch (const Error& error) {
    progress.note(fmt::format("warning: the kept text is damaged, and written anew: {}", error.what()));
    return {};
  }
}

void SelfTextCache::save(const std::vector<int64_t>& ids, Progress& progress) const {
  if (file_.empty()) return;
  try {
    std::error_code problem;
    fs::create_directories(file_.parent_path(), problem);
    if (problem) failed("{}: {}", file_.parent_path().string(), problem.message());
    remove_left_temporaries(file_);
    const OrderedJson content = {
        {"sleb_self_text", format_version}, {"key", key_}, {"ids_sha256", sha256_of(ids)}, {"ids", ids}};
    write_file_atomically(file_, content.dump() + "\n");
  } catch (const Error& error) {
    progress.note(fmt::format("warning: the text is used, but can't be kept for the next time: {}", error.what()));
  }
}

}  // namespace sleb
