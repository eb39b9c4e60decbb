// Token segments for calibration and perplexity, cut exactly as the SLEB reference cuts them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "sleb/corpus/text_source.h"
#include "sleb/text/tokenizer.h"

namespace sleb {

// Throws Error(bad_input) with the position of the first byte that is no UTF-8; `before`: bytes before `text` in its
// file.
void check_utf8(std::string_view text, size_t before, const std::filesystem::path& path);

// Rows of a text. .txt and .raw follow wikitext2 (each line, as Python's text mode makes it of "\n", "\r\n" and "\r",
// is a row and keeps its "\n"; a line of blanks alone, in the sense of Python's str.strip(), is the empty row), .jsonl,
// .jsonl.gz and .json.gz follow c4 (field "text" of each line; lines of blanks are no rows). Tables (.parquet, .arrow,
// .csv, .tsv; tables/table.h) follow wikitext2 if their first 1,100 rows are such lines, each empty or with a "\n" at
// its end and nowhere else, and c4 otherwise. Where the source has rules they are followed instead. Of a data set by
// name rows are what Hugging Face datasets makes of its files: lines without their "\n", .json and .ndjson too, which
// may be one array of rows, and .txt.gz.
struct TextRows {
  std::string name;  // file name, or the data set's
  RowRules rules;
  std::vector<std::string> rows;
  std::string column = "text";  // of a table
};
// Throws Error(bad_input), naming file and line, for a suffix that is not known, text that is not UTF-8, a broken gzip
// stream or one of more than 8 GiB of text, a line that is no JSON object or lacks the field, and what for_each_text
// throws.
TextRows read_rows(const TextSource& source);
// Of a text that follows c4 the first `c4_texts` rows, of any other all.
TextRows read_first_rows(const TextSource& source, size_t c4_texts);
// Hugging Face datasets' shuffle(seed), then the first `count` rows, or all where there are fewer. Only these are
// held in memory; the files are read twice.
TextRows read_sample(const TextSource& source, uint64_t seed, int64_t count);

// As read_sample, of rows that are there.
std::vector<std::string> sample_rows(const TextRows& rows, uint64_t seed, int64_t count);
// "\n\n" or " " between rows.
std::string join_rows(const std::vector<std::string>& rows, RowRules rules);

// Of text that the model writes itself. Two parts of one seed have nothing in common.
enum class SelfTextPart { train, evaluation };
struct SelfTextOptions {
  int64_t tokens = 0;
  uint64_t seed = 0;
  SelfTextPart part = SelfTextPart::train;
};

// Where a text has the token that begins one.
enum class BosRule {
  first,  // where the model's tokenizer puts it: in front of the whole text, if anywhere
  each,   // in front of every segment, which has one token of text less
  none,   // nowhere, nor any other special token
};
struct Bos {
  BosRule rule = BosRule::first;
  int64_t id = 0;  // of each
};

// Consecutive segments of `seqlen` tokens; the tail is dropped.
struct Corpus {
  std::string name;             // what the user called it
  std::string column = "text";  // of a table, or the member of a line of JSON
  bool column_found = false;    // the user named no column, and none is called "text"
  std::optional<DatasetOrigin> origin = {};
  int64_t seqlen = 0;
  int64_t first_scored = 1;  // losses are those of a segment's tokens from here on; those before are context alone
  int64_t segments = 0;
  int64_t total_tokens = 0;                       // with BOS, before the tail was dropped and --segments applied
  std::string ids_sha256;                         // of all `total_tokens` ids as little-endian int64
  std::vector<int64_t> ids;                       // [segments * seqlen]
  std::optional<SelfTextOptions> self_text = {};  // how the model writes it
  Bos bos = {};                                   // of self_text: each takes the place of a segment's first token
  std::vector<Corpus> parts = {};                 // of a mixture (mixture.h): its texts, in the order they were named

  // Tokens of a segment that losses are summed over.
  int64_t scored() const { return seqlen - first_scored; }
};

// Cuts `ids` into segments and keeps the first `segments` of them where given. Where the rule is each, BOS is put in
// front of every `seqlen` - 1 of the ids, and of what is left behind them; other rules change nothing. Throws
// Error(bad_input) for less than 2 tokens in a segment, and if there is not one whole segment ("... 812 tokens, one
// segment needs 2048"; BOS that is put there is not counted as the text's) or fewer than asked for.
Corpus cut_segments(std::string name, std::vector<int64_t> ids, int64_t seqlen, std::optional<int64_t> segments,
                    const Bos& bos = {});

// One that the model is still to write: ids are zeros, and all else but their hash is known. Throws what cut_segments
// throws.
Corpus unwritten_corpus(std::string name, const SelfTextOptions& options, int64_t seqlen,
                        std::optional<int64_t> segments);
// With the ids that the model has written, [options.tokens].
Corpus written_corpus(const Corpus& unwritten, std::vector<int64_t> ids);

// What the tokenizer puts before a text, if anything: BOS. Throws Error(bad_input), beginning with `label`, if it puts
// something after it.
std::optional<int64_t> bos_of(const Tokenizer& tokenizer, const std::string& label);

struct CalibrationOptions {
  uint64_t seed = 0;
  int64_t nsamples = 128;                // rows sampled
  int64_t seqlen = 2048;                 // tokens
  std::optional<int64_t> segments = {};  // use only the first N
  Bos bos = {};
};
// DESIGN section 3: rows shuffled, the first nsamples joined, tokenized once with the model's special tokens, cut.
Corpus calibration_corpus(const TextSource& source, const Tokenizer& tokenizer, const CalibrationOptions& options);

// The same of as many rows as options.segments, which must be given, take: options.nsamples of them at first, and
// four times as many until they do. Throws Error(bad_input) where all rows are too few.
Corpus sampled_corpus(const TextSource& source, const Tokenizer& tokenizer, const CalibrationOptions& options);

// How perplexity is taken of a text.
// reference: the SLEB reference's way (DESIGN section 3). The rows in file order, joined, tokenized once with the
//   model's special tokens, cut; of C4 the first 1,100 texts and the first 256 segments. Every token but a segment's
//   first is scored.
// llama_cpp: as llama-perplexity does it by default (llama.cpp, tools/perplexity/perplexity.cpp). The file as it is but
//   for a final newline, tokenized once with the model's special tokens, cut; the first token of every segment gives
//   way to BOS where the model puts one before a text; tokens from position seqlen / 2 + 1 on are scored.
enum class EvaluationProtocol { reference, llama_cpp };

struct EvaluationOptions {
  EvaluationProtocol protocol = EvaluationProtocol::reference;
  int64_t seqlen = 2048;                 // tokens
  std::optional<int64_t> segments = {};  // use only the first N
  Bos bos = {};                          // llama_cpp: first and each are its own rule
};
// Throws what read_rows and cut_segments throw; for llama_cpp Error(bad_input) too for a data set by name, if the
// file is compressed, a Parquet or an Arrow file, or the tokenizer puts a token after a text, which llama-perplexity
// does not take either.
Corpus evaluation_corpus(const TextSource& source, const Tokenizer& tokenizer, const EvaluationOptions& options);

// Ids from a .npy file (one dimension, or two: rows are then joined) of little-endian int32, int64, uint16 or uint32
// (numpy's format specification, versions 1.0 to 3.0). Throws Error(bad_input) for anything else and for negative ids.
std::vector<int64_t> read_npy_ids(const std::filesystem::path& path);

}  // namespace sleb
