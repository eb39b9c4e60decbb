#include "calibration.h"

#include <filesystem>

#include "arguments.h"
#include "sleb/base/error.h"

namespace sleb::app {

void add_calibration(CLI::App& command, CalibrationArguments& arguments) {
  auto* dataset =
      command
          .add_option("--dataset", arguments.dataset,
                      "Calibration text: .txt or .raw (a row a line), .jsonl, .jsonl.gz or .json.gz (field text)")
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

Corpus load_calibration(const Checkpoint& checkpoint, const CalibrationArguments& arguments) {
  if (!arguments.tokens.empty()) {
    return cut_segments(arguments.tokens, read_npy_ids(arguments.tokens), arguments.options.seqlen,
                        arguments.wanted_segments());
  }
  if (arguments.dataset.empty()) bad_input("no calibration text: give --dataset FILE or --tokens FILE.npy");
  std::error_code ignored;
  const bool by_name = arguments.dataset == "wikitext2" || arguments.dataset == "c4";
  if (by_name && !std::filesystem::exists(arguments.dataset, ignored)) {
    bad_input("--dataset {}: data sets are not downloaded by this version; give its file, for example {}",
              arguments.dataset, arguments.dataset == "c4" ? "c4-train.00000-of-01024.json.gz" : "wiki.train.raw");
  }
  CalibrationOptions options = arguments.options;
  options.segments = arguments.wanted_segments();
  return calibration_corpus(arguments.dataset, checkpoint.tokenizer(), options);
}

}  // namespace sleb::app
