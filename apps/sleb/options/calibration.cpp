#include "apps/sleb/options/calibration.h"

#include <filesystem>

#include "apps/sleb/options/arguments.h"
#include "apps/sleb/options/self_text.h"
#include "sleb/base/error.h"
#include "sleb/base/file.h"
#include "sleb/base/progress.h"
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

}  // namespace

void add_calibration(CLI::App& command, CalibrationArguments& arguments) {
  auto* dataset =
      command
          .add_option(
              "--dataset", arguments.dataset,
              "Calibration text: wikitext2, c4, ORG/NAME[:CONFIG[:SPLIT[:FIELD]]] on the hub, or a file: .txt or .raw "
              "(a row a line), .jsonl, .jsonl.gz, .json.gz, .parquet, .arrow, .csv or .tsv (field text); "
              "self[:TOKENS]: "
              "text that the dense model writes, kept for the next time")
          ->capture_default_str()
          ->type_name("TEXT");
  command.add_option("--tokens", arguments.tokens, "Ready token ids (.npy) in place of --dataset")
      ->type_name("FILE.npy")
      ->excludes(dataset);
  command.add_option("--nsamples", arguments.options.nsamples, "Rows sampled from the text")
      ->capture_default_str()
      ->check(at_least(1))
      ->type_name("N");
  command.add_option("--segments", arguments.segments, "Use only the first N segments (default: all)")
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
  const int64_t seqlen = arguments.options.seqlen;
  if (self_text_corpus(arguments.option, arguments.dataset, {}, seqlen, arguments.wanted_segments())) return;
  check_text(arguments.dataset, TextPurpose::calibrate);
  check_type(arguments.dataset);
}

Corpus load_calibration(const Checkpoint& checkpoint, const CalibrationArguments& arguments, Progress& progress) {
  if (!arguments.tokens.empty()) {
    // Ready ids are what they are, unless the user says otherwise.
    const Bos bos = arguments.bos == "each" ? bos_for(checkpoint, arguments.bos) : Bos{};
    return cut_segments(arguments.tokens, read_npy_ids(arguments.tokens), arguments.options.seqlen,
                        arguments.wanted_segments(), bos);
  }
  CalibrationOptions options = arguments.options;
  options.bos = bos_for(checkpoint, arguments.bos);
  if (auto text = self_text_corpus(arguments.option, arguments.dataset, {.seed = options.seed}, options.seqlen,
                                   arguments.wanted_segments())) {
    check_can_begin_texts(checkpoint.tokenizer());
    if (options.nsamples != CalibrationOptions().nsamples) {
      progress.note("warning: --nsamples counts for nothing: text that the model writes has no rows to sample");
    }
    warn_of_no_bos(arguments.option, arguments.dataset, options.bos, progress);
    text->bos = options.bos;
    return *text;
  }
  options.segments = arguments.wanted_segments();
  const TextSource source = find_text(arguments.dataset, TextPurpose::calibrate, progress);
  Corpus corpus = arguments.as_many_rows_as_needed ? sampled_corpus(source, checkpoint.tokenizer(), options)
                                                   : calibration_corpus(source, checkpoint.tokenizer(), options);
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
