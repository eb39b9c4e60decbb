#include "sleb/corpus/corpus.h"

#include <algorithm>
#include <bit>
#include <span>

#include "sleb/base/error.h"
#include "sleb/base/sha256.h"

namespace sleb {

static_assert(std::endian::native == std::endian::little, "fingerprints and .npy files are little-endian");

Corpus cut_segments(std::string name, std::vector<int64_t> ids, int64_t seqlen, std::optional<int64_t> segments) {
  // The loss of a segment is a mean over its seqlen - 1 predicted tokens.
  if (seqlen < 2) bad_input("{}: a segment needs at least 2 tokens, not {}", name, seqlen);
  if (segments && *segments < 1) bad_input("{}: at least 1 segment is needed, not {}", name, *segments);
  Corpus corpus;
  corpus.seqlen = seqlen;
  corpus.total_tokens = static_cast<int64_t>(ids.size());
  corpus.segments = corpus.total_tokens / seqlen;
  if (corpus.segments == 0) bad_input("{}: {} tokens, one segment needs {}", name, corpus.total_tokens, seqlen);
  if (segments && *segments > corpus.segments) {
    bad_input("{}: {} tokens make {} segments of {}, {} were asked for", name, corpus.total_tokens, corpus.segments,
              seqlen, *segments);
  }
  corpus.name = std::move(name);
  corpus.segments = segments.value_or(corpus.segments);
  corpus.ids_sha256 = sha256_hex(std::as_bytes(std::span(ids)));
  ids.resize(static_cast<size_t>(corpus.segments * seqlen));
  corpus.ids = std::move(ids);
  return corpus;
}

Corpus calibration_corpus(const std::filesystem::path& file, const Tokenizer& tokenizer,
                          const CalibrationOptions& options) {
  if (options.nsamples < 1) bad_input("{}: at least 1 sample is needed, not {}", file.string(), options.nsamples);
  const TextRows rows = read_rows(file);
  const std::string text = join_rows(sample_rows(rows, options.seed, options.nsamples), rows.rules);
  return cut_segments(file.string(), tokenizer.encode(text), options.seqlen, options.segments);
}

Corpus evaluation_corpus(const std::filesystem::path& file, const Tokenizer& tokenizer, int64_t seqlen,
                         std::optional<int64_t> segments, std::optional<int64_t> rows) {
  if (rows && *rows < 1) bad_input("{}: at least 1 row is needed, not {}", file.string(), *rows);
  TextRows text = read_rows(file);
  if (rows) text.rows.resize(std::min(text.rows.size(), static_cast<size_t>(*rows)));
  return cut_segments(file.string(), tokenizer.encode(join_rows(text.rows, text.rules)), seqlen, segments);
}

}  // namespace sleb
