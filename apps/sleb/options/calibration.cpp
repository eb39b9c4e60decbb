#include "apps/sleb/options/calibration.h"

#include <filesystem>

#include "apps/sleb/options/arguments.h"
#include "sleb/base/error.h"

namespace sleb::app {

void add_calibration(CLI::App& command, CalibrationArguments& arguments) {
  auto* dataset =
      command
          .add_option(
              "--dataset", arguments.dataset,
              "Calibration text: .txt or .raw (a row a line), .jsonl, .jsonl.gz, .json.gz, .parquet, .arrow, .csv "
              "or .tsv (field text)")
          ->type_name("FILE");
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
  if (arguments.dataset.empty()) bad_input("no calibration text: give --dataset FILE or --tokens FILE.npy");
  refuse_dataset_by_name("--dataset", arguments.dataset, DatasetPart::train);
  CalibrationOptions options = arguments.options;
  options.segments = arguments.wanted_segments();
  Corpus corpus = calibration_corpus(arguments.dataset, checkpoint.tokenizer(), options);
  note_column(corpus, progress);
  return corpus;
}

void note_column(const Corpus& text, Progress& progress) {
  if (text.column == "text") return;
  progress.note(
      fmt::format("{}: has no column \"text\"; the texts are those of its column \"{}\"", text.name, text.column));
}

void refuse_dataset_by_name(std::string_view option, const std::string& text, DatasetPart part) {
  std::error_code ignored;
  const bool c4 = text == "c4";
  if ((!c4 && text != "wikitext2") || std::filesystem::exists(text, ignored)) return;
  const bool train = part == DatasetPart::train;
  const std::string_view c4_file = train ? "c4-train.00000-of-01024.json.gz" : "c4-validation.00000-of-00008.json.gz";
  bad_input("{} {}: data sets are not downloaded by this version; give its file, for example {}", option, text,
            c4      ? c4_file
            : train ? "wiki.train.raw"
                    : "wiki.test.raw");
}

void warn_of_long_segments(const ModelSpec& spec, int64_t seqlen, Progress& progress) {
  if (seqlen <= spec.max_positions) return;
  progress.note(fmt::format("warning: segments of {} tokens are longer than the {} positions the model was made for",
                            seqlen, spec.max_positions));
}

}  // namespace sleb::app
