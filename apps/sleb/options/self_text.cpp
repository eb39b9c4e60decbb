#include "apps/sleb/options/self_text.h"

#include <charconv>
#include <cstring>
#include <filesystem>
#include <span>

#include "apps/sleb/options/many_processes.h"
#include "apps/sleb/options/texts.h"
#include "sleb/base/error.h"
#include "sleb/base/sha256.h"
#include "sleb/corpus/mixture.h"
#include "sleb/corpus/self_text_cache.h"
#include "sleb/engine/sequences/self_text.h"

namespace sleb::app {
namespace {

constexpr std::string_view self = "self";

// Nothing for another text.
std::optional<std::string_view> after_name(std::string_view text) {
  if (text == self) return "";
  if (!text.starts_with(self) || text[self.size()] != ':') return {};
  return text.substr(self.size() + 1);
}

int64_t tokens_of(std::string_view option, const std::string& text, std::string_view number) {
  int64_t tokens = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), tokens);
  if (error != std::errc() || end != number.data() + number.size() || tokens < 2 || tokens > most_tokens_of_text) {
    bad_input("{} {}: expected self or self:TOKENS, a whole number from 2 to {}", option, text, most_tokens_of_text);
  }
  return tokens;
}

int64_t tokens_for(std::string_view option, int64_t seqlen, const std::optional<int64_t>& segments) {
  const int64_t count = segments.value_or((usual_tokens + seqlen - 1) / seqlen);
  if (count > most_tokens_of_text / seqlen) {
    bad_input("{} self: {} segments of {} tokens are more than the {} tokens that a model writes at most", option,
              count, seqlen, most_tokens_of_text);
  }
  return count * seqlen;
}

// Which of the ids may begin a text.
std::string beginnings_sha256(const TextBounds& bounds, int64_t vocabulary) {
  std::string may_begin;
  for (int64_t id = 0; id < vocabulary; ++id) {
    check_interrupt();
    may_begin += bounds.may_begin(id) ? '1' : '0';
  }
  return sha256_hex(std::as_bytes(std::span(may_begin)));
}

// All that the ids' bits depend on. The model's fingerprint has nothing of its tokenizer and generation_config.json.
OrderedJson key_of(const Model& model, const TextBounds& bounds, const SelfTextOptions& options, Progress& progress) {
  const Compute& compute = model.compute();
  const SelfTextSheets sheets = self_text_sheets(model.spec(), options.tokens);
  return {{"sleb", SLEB_VERSION},
          {"model", model.checkpoint().fingerprint(progress)},
          {"before", bounds.before},
          {"stop_ids", bounds.stop_ids},
          {"may_begin_sha256", beginnings_sha256(bounds, model.spec().vocabulary_size)},
          {"text", to_json(options)},
          {"tokens_each", sheets.tokens_each},
          {"at_a_time", sheets.batch},
          {"dtype", compute.dtype},
          {"device", compute.device == "cpu" ? "cpu" : arithmetic_of(compute)},
          {"threads", compute.device == "cpu" ? compute.threads : 0}};
}

std::vector<int64_t> kept_or_written(const Model& model, const Corpus& text, Progress& progress) {
  const SelfTextOptions& options = *text.self_text;
  const TextBounds bounds = text_bounds(model.checkpoint());
  const SelfTextCache cache(SelfTextCache::default_folder(), key_of(model, bounds, options, progress));
  if (auto kept = cache.load(options.tokens, progress)) {
    progress.note(fmt::format("{}: {} tokens that the model has written before: {}", text.name, options.tokens,
                              cache.file().string()));
    return *kept;
  }
  progress.note(fmt::format("{}: the model writes {} tokens, once for this seed", text.name, options.tokens));
  std::vector<int64_t> ids = write_self_text(model, bounds, options, progress);
  cache.save(ids, progress);
  return ids;
}

std::vector<int64_t> of_rank_0(ProcessGroup& processes, const std::vector<int64_t>& ids) {
  const std::string bytes =
      processes.broadcast({reinterpret_cast<const char*>(ids.data()), ids.size() * sizeof(int64_t)});
  std::vector<int64_t> result(bytes.size() / sizeof(int64_t));
  std::memcpy(result.data(), bytes.data(), bytes.size());
  return result;
}

}  // namespace

std::optional<Corpus> self_text_corpus(std::string_view option, const std::string& text, SelfTextOptions options,
                                       int64_t seqlen, std::optional<int64_t> segments) {
  std::error_code ignored;
  const auto number = after_name(text);
  if (!number || std::filesystem::exists(text, ignored)) return {};
  options.tokens = text == self ? tokens_for(option, seqlen, segments) : tokens_of(option, text, *number);
  return unwritten_corpus(text, options, seqlen, segments);
}

void fill_self_text(const Model& model, Corpus& text, ProcessGroup* processes, Progress& progress) {
  if (!text.parts.empty() && !self_texts_of(text).empty()) {
    for (Corpus& part : text.parts) fill_self_text(model, part, processes, progress);
    text = mixed_corpus(std::move(text.parts));
  }
  if (!text.self_text) return;
  std::vector<int64_t> ids;
  if (leads(processes)) ids = kept_or_written(model, text, progress);
  if (processes != nullptr) ids = of_rank_0(*processes, ids);
  text = written_corpus(text, std::move(ids));
}

}  // namespace sleb::app
