#include "apps/sleb/options/calibration.h"

#include "apps/sleb/options/arguments.h"
#include "sleb/base/progress.h"
#include "sleb/datasets/dataset_files.h"

namespace sleb::app {
namespace {

// If the texts are not those of a column named "text", and the user named none.
void note_column(const Corpus& text, Progress& progress) {
  if (!text.column_found) return;
  progress.note(
      fmt::format("{}: has no column \"text\"; the texts are those of its column \"{}\"", text.name, text.column));
}

}  // namespace

void add_calibration(CLI::App& command, CalibrationArguments& arguments) {
  auto* dataset =
      command
          .add_option(
              "--dataset", arguments.dataset,
              "Calibration text: wikitext2, c4, ORG/NAME[:CONFIG[:SPLIT[:FIELD]]] on the hub, or a file: .txt or .raw "
              "(a row a line), .jsonl, .jsonl.gz, .json.gz, .parquet, .arrow, .csv or .tsv (field text)")
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
  command.add_option("--seed", arguments.options.seed, "Seed of the shuffle")
      ->capture_default_str()
      ->check(at_least(0))
      ->type_name("N");
}

Corpus load_calibration(const Checkpoint& checkpoint, const CalibrationArguments& arguments, Progress& progress) {
  if (!arguments.tokens.empty()) {
    return cut_segments(arguments.tokens, read_npy_ids(arguments.tokens), arguments.options.seqlen,
                        arguments.wanted_segments());
  }
  CalibrationOptions options = arguments.options;
  options.segments = arguments.wanted_segments();
  const TextSource source = find_text(arguments.dataset, TextPurpose::calibrate, progress);
  Corpus corpus = calibration_corpus(source, checkpoint.tokenizer(), options);
  note_column(corpus, progress);
  return corpus;
}

Corpus load_evaluation(const std::string& given, const Tokenizer& tokenizer, const EvaluationOptions& options,
                       Progress& progress) {
  const TextSource source = find_text(given, TextPurpose::evaluate, progress);
  Corpus corpus = evaluation_corpus(source, tokenizer, options);
  note_column(corpus, progress);
  return corpus;
}

void warn_of_long_segments(const ModelSpec& spec, int64_t seqlen, Progress& progress) {
  if (seqlen <= spec.max_positions) return;
  progress.note(fmt::format("warning: segments of {} tokens are longer than the {} positions the model was made for",
                            seqlen, spec.max_positions));
}

}  // namespace sleb::app
