#include "sleb/corpus/corpus.h"

#include <algorithm>
#include <bit>
#include <span>

#include "sleb/base/error.h"
#include "sleb/base/file.h"
#include "sleb/base/sha256.h"

namespace sleb {

static_assert(std::endian::native == std::endian::little, "fingerprints and .npy files are little-endian");

namespace {

// What the reference takes of C4.
constexpr size_t c4_texts = 1100;
constexpr int64_t c4_segments = 256;

// Where the rows came from.
void describe(Corpus& corpus, const TextSource& source, const TextRows& text) {
  corpus.column = text.column;
  corpus.column_found = source.field.empty() && text.column != "text";
  corpus.origin = source.origin;
  if (corpus.origin) corpus.origin->field = text.column;
}

// Tokens of the text in a segment.
int64_t text_tokens(int64_t seqlen, const Bos& bos) {
  return bos.rule == BosRule::each ? seqlen - 1 : seqlen;
}

// One BOS in front of every `count` of the ids, and of what is left behind them.
std::vector<int64_t> with_bos(const std::vector<int64_t>& ids, int64_t bos, size_t count) {
  std::vector<int64_t> result;
  result.reserve(ids.size() + ids.size() / count + 1);
  for (size_t i = 0; i < ids.size(); ++i) {
    if (i % count == 0) result.push_back(bos);
    result.push_back(ids[i]);
  }
  return result;
}

// Of a whole text, with what the tokenizer puts around it where the rule says so.
std::vector<int64_t> ids_of(const std::string& text, const Tokenizer& tokenizer, const Bos& bos) {
  return tokenizer.encode(text, bos.rule == BosRule::first);
}

Corpus reference_corpus(const TextSource& source, const Tokenizer& tokenizer, const EvaluationOptions& options) {
  const TextRows text = read_first_rows(source, c4_texts);
  const bool c4 = text.rules == RowRules::c4;
  std::vector<int64_t> ids = ids_of(join_rows(text.rows, text.rules), tokenizer, options.bos);
  const int64_t each = text_tokens(options.seqlen, options.bos);
  const bool longer = each > 0 && static_cast<int64_t>(ids.size()) / c4_segments >= each;
  if (c4 && longer) ids.resize(static_cast<size_t>(c4_segments * each));
  Corpus corpus = cut_segments(source.name, std::move(ids), options.seqlen, options.segments, options.bos);
  describe(corpus, source, text);
  return corpus;
}

Corpus llama_cpp_corpus(const TextSource& source, const Tokenizer& tokenizer, const EvaluationOptions& options) {
  if (source.origin) {
    bad_input("{}: llama.cpp's protocol takes a file of text as it is, and no data set; leave out --protocol",
              source.name);
  }
  const std::filesystem::path& file = source.files.at(0);
  if (options.seqlen < 3) {
    bad_input("{}: a segment whose second half is scored needs at least 3 tokens, not {}", file.string(),
              options.seqlen);
  }
  if (file.extension() == ".gz") {
    bad_input("{}: llama.cpp's protocol takes a file as it is; unpack it first", file.string());
  }
  if (file.extension() == ".parquet" || file.extension() == ".arrow") {
    bad_input("{}: llama.cpp's protocol takes a file of text; leave out --protocol, or write the text as .txt",
              file.string());
  }
  const MappedFile content(file);
  std::string_view text = content.text();
  check_utf8(text, 0, file);
  if (text.ends_with('\n')) text.remove_suffix(1);  // so does llama.cpp's option -f
  const bool none = options.bos.rule == BosRule::none;
  const auto tokenizers_own = bos_of(tokenizer, file.string());
  const bool each = options.bos.rule == BosRule::each;
  const bool begins = each || (!none && tokenizers_own.has_value());
  const int64_t bos = each ? options.bos.id : tokenizers_own.value_or(0);
  Corpus corpus = cut_segments(file.string(), tokenizer.encode(text, !none), options.seqlen, options.segments);
  corpus.first_scored = corpus.seqlen / 2 + 1;
  for (int64_t segment = 0; begins && segment < corpus.segments; ++segment) {
    corpus.ids[static_cast<size_t>(segment * corpus.seqlen)] = bos;
  }
  return corpus;
}

}  // namespace

std::optional<int64_t> bos_of(const Tokenizer& tokenizer, const std::string& label) {
  const Tokenizer::AroundText around = tokenizer.around_text();
  if (!around.behind.empty()) {
    bad_input("{}: the model's tokenizer puts token {} after a text, for which llama.cpp's protocol has no place",
              label, around.behind.back());
  }
  return around.before.empty() ? std::nullopt : std::optional(around.before.front());
}

Corpus cut_segments(std::string name, std::vector<int64_t> ids, int64_t seqlen, std::optional<int64_t> segments,
                    const Bos& bos) {
  // The loss of a segment is a mean over its seqlen - 1 predicted tokens.
  if (seqlen < 2) bad_input("{}: a segment needs at least 2 tokens, not {}", name, seqlen);
  if (segments && *segments < 1) bad_input("{}: at least 1 segment is needed, not {}", name, *segments);
  const size_t given = ids.size();
  const int64_t needed = text_tokens(seqlen, bos);
  const bool puts_bos = needed < seqlen;
  if (puts_bos) ids = with_bos(ids, bos.id, static_cast<size_t>(needed));
  Corpus corpus;
  corpus.seqlen = seqlen;
  corpus.total_tokens = static_cast<int64_t>(ids.size());
  corpus.segments = corpus.total_tokens / seqlen;
  if (corpus.segments == 0) {
    bad_input("{}: {} tokens, one segment needs {}{}", name, given, needed, puts_bos ? " beside BOS" : "");
  }
  if (segments && *segments > corpus.segments) {
    bad_input("{}: {} tokens make {} segments of {}{}, {} were asked for", name, given, corpus.segments, seqlen,
              puts_bos ? " with BOS" : "", *segments);
  }
  corpus.name = std::move(name);
  corpus.segments = segments.value_or(corpus.segments);
  corpus.ids_sha256 = sha256_hex(std::as_bytes(std::span(ids)));
  ids.resize(static_cast<size_t>(corpus.segments * seqlen));
  corpus.ids = std::move(ids);
  return corpus;
}

Corpus unwritten_corpus(std::string name, const SelfTextOptions& options, int64_t seqlen,
                        std::optional<int64_t> segments) {
  std::vector<int64_t> ids(static_cast<size_t>(options.tokens));
  Corpus corpus = cut_segments(std::move(name), std::move(ids), seqlen, segments);
  corpus.self_text = options;
  return corpus;
}

Corpus written_corpus(const Corpus& unwritten, std::vector<int64_t> ids) {
  const auto seqlen = static_cast<size_t>(unwritten.seqlen);
  if (unwritten.bos.rule == BosRule::each) {
    for (size_t begin = 0; begin < ids.size(); begin += seqlen) ids[begin] = unwritten.bos.id;
  }
  Corpus corpus = cut_segments(unwritten.name, std::move(ids), unwritten.seqlen, unwritten.segments);
  corpus.self_text = unwritten.self_text;
  corpus.bos = unwritten.bos;
  return corpus;
}

Corpus calibration_corpus(const TextSource& source, const Tokenizer& tokenizer, const CalibrationOptions& options) {
  if (options.nsamples < 1) bad_input("{}: at least 1 sample is needed, not {}", source.name, options.nsamples);
  const TextRows sample = read_sample(source, options.seed, options.nsamples);
  const std::string text = join_rows(sample.rows, sample.rules);
  Corpus corpus =
      cut_segments(source.name, ids_of(text, tokenizer, options.bos), options.seqlen, options.segments, options.bos);
  describe(corpus, source, sample);
  return corpus;
}

Corpus sampled_corpus(const TextSource& source, const Tokenizer& tokenizer, const CalibrationOptions& options) {
  const int64_t of_segment = text_tokens(options.seqlen, options.bos);
  const int64_t wanted = options.segments.value() * of_segment;
  for (int64_t count = options.nsamples;; count *= 4) {
    const TextRows sample = read_sample(source, options.seed, count);
    std::vector<int64_t> ids = ids_of(join_rows(sample.rows, sample.rules), tokenizer, options.bos);
    const bool are_all = static_cast<int64_t>(sample.rows.size()) < count;
    const auto tokens = static_cast<int64_t>(ids.size());
    if (tokens < wanted && !are_all) continue;
    if (tokens < wanted) {
      bad_input(
          "{}: all of it makes {} segments of {} tokens, and {} are wanted of it; give a longer text, or ask for fewer "
          "tokens",
          source.name, tokens / of_segment, options.seqlen, *options.segments);
    }
    Corpus corpus = cut_segments(source.name, std::move(ids), options.seqlen, options.segments, options.bos);
    describe(corpus, source, sample);
    return corpus;
  }
}

Corpus evaluation_corpus(const TextSource& source, const Tokenizer& tokenizer, const EvaluationOptions& options) {
  const bool reference = options.protocol == EvaluationProtocol::reference;
  return reference ? reference_corpus(source, tokenizer, options) : llama_cpp_corpus(source, tokenizer, options);
}

}  // namespace sleb
