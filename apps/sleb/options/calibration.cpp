#include "apps/sleb/options/calibration.h"

#include <filesystem>
#include <utility>

#include "apps/sleb/options/arguments.h"
#include "apps/sleb/options/self_text.h"
#include "sleb/base/error.h"
#include "sleb/base/file.h"
#include "sleb/base/progress.h"
#include "sleb/corpus/mixture.h"
#include "sleb/corpus/row_pass.h"
#include "sleb/datasets/dataset_files.h"

namespace sleb::app {
namespace {

// If the texts are not those of a column named "text", and the user named none.
void note_column(const Corpus& text, Progress& progress) {
  if (!text.column_found) return;
  progress.note(
      fmt::format("{}: has no column \"text\"; the texts are those of its column \"{}\"", text.name, text.column));
}

// A decoder that is not known, by which first tokens are told, is refused before the model is loaded.
void check_can_begin_texts(const Tokenizer& tokenizer) {
  tokenizer.stream(/*skip_special_tokens=*/true);
}

// Text that the model writes begins as the tokenizer has it.
void warn_of_no_bos(std::string_view option, const std::string& given, const Bos& bos, Progress& progress) {
  if (bos.rule != BosRule::none) return;
  progress.note(
      fmt::format("warning: {} {}: --bos none counts for nothing for text that the model writes", option, given));
}

bool is_there(const std::string& given) {
  std::error_code ignored;
  return std::filesystem::exists(given, ignored);
}

// Of a file; those of a data set are not known before it is fetched.
void check_type(const std::string& given) {
  if (is_there(given)) rules_of_type(std::filesystem::path(given));
}

constexpr const char* dataset_option = "--dataset";

// The one text that is taken as the reference takes it; nothing where several are mixed, or one has a number of its
// own.
std::optional<std::string> only_text(const CalibrationArguments& arguments) {
  const std::vector<std::string> texts = arguments.texts();
  if (texts.size() > 1) return {};
  const TextShare share = share_of(dataset_option, texts[0], arguments.options.seqlen);
  return share.text == texts[0] ? std::optional(share.text) : std::nullopt;
}

std::vector<TextShare> shares_of(const CalibrationArguments& arguments) {
  std::vector<TextShare> shares;
  for (const std::string& text : arguments.texts())
    shares.push_back(share_of(dataset_option, text, arguments.options.seqlen));
  return shares;
}

std::vector<int64_t> segments_of(const CalibrationArguments& arguments, const std::vector<TextShare>& shares) {
  std::optional<TextTotal> total;
  if (arguments.segments > 0) total = {fmt::format("--segments {}", arguments.segments), arguments.segments};
  return shared_segments(shares, total, arguments.options.seqlen);
}

// Nothing where it is other text.
std::optional<Corpus> text_to_write(std::string_view option, const std::string& given, const Checkpoint& checkpoint,
                                    const CalibrationOptions& options, Progress& progress) {
  auto text = self_text_corpus(option, given, {.seed = options.seed}, options.seqlen, options.segments);
  if (!text) return {};
  check_can_begin_texts(checkpoint.tokenizer());
  warn_of_no_bos(option, given, options.bos, progress);
  text->bos = options.bos;
  return text;
}

Corpus load_mixture(const Checkpoint& checkpoint, const CalibrationArguments& arguments, Progress& progress) {
  const std::vector<TextShare> shares = shares_of(arguments);
  const std::vector<int64_t> segments = segments_of(arguments, shares);
  if (arguments.options.nsamples != CalibrationOptions().nsamples) {
    progress.note(
        "warning: --nsamples counts for nothing: of each text as many rows are read as its share of the segments "
        "takes");
  }
  std::vector<Corpus> texts;
  for (size_t i = 0; i < shares.size(); ++i) {
    CalibrationOptions options = arguments.options;
    options.nsamples = CalibrationOptions().nsamples;
    options.segments = segments[i];
    texts.push_back(load_mixed(checkpoint, {dataset_option, shares[i], options, arguments.bos}, progress));
  }
  return mixed_corpus(std::move(texts));
}

}  // namespace

void add_calibration(CLI::App& command, CalibrationArguments& arguments) {
  auto* dataset =
      add_texts(command, dataset_option, arguments.datasets,
                "Calibration text: wikitext2, c4, ORG/NAME[:CONFIG[:SPLIT[:FIELD]]] on the hub, or a file: .txt or "
                ".raw (a row a line), .jsonl, .jsonl.gz, .json.gz, .parquet, .arrow, .csv or .tsv (field text); "
                "self: text that the dense model writes, kept for the next time. Several are mixed by segments, each "
                "with as many, or with TOKENS of its own: wikitext2,self:4096,notes.txt:8192")
          ->default_str("wikitext2");
  command.add_option("--tokens", arguments.tokens, "Ready token ids (.npy) in place of --dataset")
      ->type_name("FILE.npy")
      ->excludes(dataset);
  command.add_option("--nsamples", arguments.options.nsamples, "Rows sampled from the text, if it is one")
      ->capture_default_str()
      ->check(at_least(1))
      ->type_name("N");
  command
      .add_option("--segments", arguments.segments,
                  "Use only the first N segments (default: all); of several texts so many together (default: 8,192 "
                  "tokens each)")
      ->check(at_least(1))
      ->type_name("N");
  command.add_option("--seqlen", arguments.options.seqlen, "Tokens in a segment")
      ->capture_default_str()
      ->check(CLI::Range(int64_t{2}, int64_t{1} << 24))
      ->type_name("N");
  add_bos(command, arguments.bos);
  command.add_option("--seed", arguments.options.seed, "Seed of the shuffle, or of what the model writes")
      ->capture_default_str()
      ->check(at_least(0))
      ->type_name("N");
}

void check_calibration(const CalibrationArguments& arguments) {
  if (!arguments.reads_dataset()) {
    const MappedFile there(arguments.tokens);
    return;
  }
  check_names(dataset_option, arguments.texts());
  const int64_t seqlen = arguments.options.seqlen;
  if (const auto text = only_text(arguments)) {
    if (self_text_corpus(dataset_option, *text, {}, seqlen, arguments.wanted_segments())) return;
    check_text(*text, TextPurpose::calibrate);
    return check_type(*text);
  }
  const std::vector<TextShare> shares = shares_of(arguments);
  for (const TextShare& share : shares) check_mixed(dataset_option, share, seqlen);
  (void)segments_of(arguments, shares);
}

Corpus load_calibration(const Checkpoint& checkpoint, const CalibrationArguments& arguments, Progress& progress) {
  if (!arguments.tokens.empty()) {
    // Ready ids are what they are, unless the user says otherwise.
    const Bos bos = arguments.bos == "each" ? bos_for(checkpoint, arguments.bos) : Bos{};
    return cut_segments(arguments.tokens, read_npy_ids(arguments.tokens), arguments.options.seqlen,
                        arguments.wanted_segments(), bos);
  }
  const auto given = only_text(arguments);
  if (!given) return load_mixture(checkpoint, arguments, progress);
  CalibrationOptions options = arguments.options;
  options.bos = bos_for(checkpoint, arguments.bos);
  options.segments = arguments.wanted_segments();
  if (auto text = text_to_write(dataset_option, *given, checkpoint, options, progress)) {
    if (options.nsamples != CalibrationOptions().nsamples) {
      progress.note("warning: --nsamples counts for nothing: text that the model writes has no rows to sample");
    }
    return *text;
  }
  const TextSource source = find_text(*given, TextPurpose::calibrate, progress);
  Corpus corpus = calibration_corpus(source, checkpoint.tokenizer(), options);
  note_column(corpus, progress);
  return corpus;
}

void check_mixed(std::string_view option, const TextShare& share, int64_t seqlen) {
  if (self_text_corpus(option, share.text, {}, seqlen, {})) return;
  check_text(share.text, TextPurpose::calibrate);
  check_type(share.text);
}

Corpus load_mixed(const Checkpoint& checkpoint, const MixedText& text, Progress& progress) {
  CalibrationOptions options = text.options;
  options.bos = bos_for(checkpoint, text.bos);
  if (auto own = text_to_write(text.option, text.share.text, checkpoint, options, progress)) return *own;
  const TextSource source = find_text(text.share.text, TextPurpose::calibrate, progress);
  Corpus corpus = sampled_corpus(source, checkpoint.tokenizer(), options);
  note_column(corpus, progress);
  return corpus;
}

void check_evaluation(std::string_view option, const std::string& given, const EvaluationOptions& options) {
  const bool is_self_text = self_text_corpus(option, given, {}, options.seqlen, options.segments).has_value();
  if (!is_self_text) check_text(given, TextPurpose::evaluate);
  if (options.protocol == EvaluationProtocol::reference) {
    check_type(given);
  } else if (is_self_text || !is_there(given)) {
    bad_input("{} {}: llama.cpp's protocol takes a file of text; leave out --protocol", option, given);
  }
}

Corpus load_evaluation(std::string_view option, const std::string& given, uint64_t seed, const Tokenizer& tokenizer,
                       const EvaluationOptions& options, Progress& progress) {
  const SelfTextOptions self_text{.seed = seed, .part = SelfTextPart::evaluation};
  if (auto text = self_text_corpus(option, given, self_text, options.seqlen, options.segments)) {
    check_can_begin_texts(tokenizer);
    warn_of_no_bos(option, given, options.bos, progress);
    text->bos = options.bos;
    return *text;
  }
  const TextSource source = find_text(given, TextPurpose::evaluate, progress);
  Corpus corpus = evaluation_corpus(source, tokenizer, options);
  note_column(corpus, progress);
  return corpus;
}

void add_bos(CLI::App& command, std::string& bos) {
  command
      .add_option("--bos", bos,
                  "BOS in front of each segment, of the first as the tokenizer has it, or of none (default: each of a "
                  "Gemma, else first)")
      ->check(CLI::IsMember({"each", "first", "none"}))
      ->type_name("WHERE");
}

Bos bos_for(const Checkpoint& checkpoint, const std::string& given) {
  const bool needed = checkpoint.spec().needs_bos;
  if (given == "none") return {.rule = BosRule::none};
  if (given == "first" || (given.empty() && !needed)) return {};
  const OrderedJson config = checkpoint.config();
  const std::vector<int64_t> before = checkpoint.tokenizer().around_text().before;
  std::optional<int64_t> id;
  if (!before.empty()) id = before.front();
  if (!id && config.contains("bos_token_id") && config.at("bos_token_id").is_number_integer()) {
    id = config.at("bos_token_id").get<int64_t>();
  }
  if (!id) bad_input("--bos each: {} has no BOS token", checkpoint.path().string());
  return {BosRule::each, *id};
}

void note_bos(const Checkpoint& checkpoint, const std::string& given, Progress& progress) {
  if (!given.empty() || !checkpoint.spec().needs_bos) return;
  progress.note(fmt::format("BOS in front of every segment: a {} model's losses mean nothing without it (--bos)",
                            checkpoint.spec().family));
}

void warn_of_long_segments(const ModelSpec& spec, int64_t seqlen, Progress& progress) {
  if (seqlen <= spec.max_positions) return;
  progress.note(fmt::format("warning: segments of {} tokens are longer than the {} positions the model was made for",
                            seqlen, spec.max_positions));
}

}  // namespace sleb::app
