// The texts that a model is run on: calibration, from a text file or from ready ids, and evaluation.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "apps/sleb/options/texts.h"
#include "sleb/checkpoint/checkpoint.h"
#include "sleb/corpus/corpus.h"

namespace sleb::app {

struct CalibrationArguments {
  std::vector<std::string> datasets;  // empty: wikitext2; several are mixed
  std::string tokens;
  int64_t segments = 0;  // of all together; 0: all of one text, of several what shared_segments gives them
  CalibrationOptions options;
  std::string bos;  // "": by the model

  // --tokens go before the data set that is the default.
  bool reads_dataset() const { return tokens.empty(); }
  std::vector<std::string> texts() const { return datasets.empty() ? std::vector<std::string>{"wikitext2"} : datasets; }
  // 0 means all.
  std::optional<int64_t> wanted_segments() const { return segments > 0 ? std::optional(segments) : std::nullopt; }
};

void add_calibration(CLI::App& command, CalibrationArguments& arguments);
// What can be said before the model is there. Throws Error(bad_input) for a file that is not there or of a type that is
// not read, for text that the model can't write, and for numbers that leave nothing to one of several.
void check_calibration(const CalibrationArguments& arguments);
// One text, or the mixture of several (sleb/corpus/mixture.h). Text that the model is to write comes without its ids
// (self_text.h). Throws Error.
Corpus load_calibration(const Checkpoint& checkpoint, const CalibrationArguments& arguments, Progress& progress);

// A text of a mixture, to be checked as check_calibration does and to be loaded: as many shuffled rows as so many
// segments take, whatever `options.nsamples` says.
struct MixedText {
  std::string option;  // that names it
  TextShare share;
  CalibrationOptions options;  // with segments
  std::string bos;
};
void check_mixed(std::string_view option, const TextShare& share, int64_t seqlen);
Corpus load_mixed(const Checkpoint& checkpoint, const MixedText& text, Progress& progress);

// As check_calibration, of what is given to `option`.
void check_evaluation(std::string_view option, const std::string& given, const EvaluationOptions& options);
// As evaluation_corpus, of what is given to `option`: a file, a data set by name, or text that the model is to write by
// `seed`. Throws Error.
Corpus load_evaluation(std::string_view option, const std::string& given, uint64_t seed, const Tokenizer& tokenizer,
                       const EvaluationOptions& options, Progress& progress);

void add_bos(CLI::App& command, std::string& bos);
// What `given` says, or what the model needs where it is empty: BOS in front of every segment where losses mean nothing
// without it. Throws Error(bad_input) for a model that has no such token.
Bos bos_for(const Checkpoint& checkpoint, const std::string& given);
// Of what bos_for chose where the user said nothing: to be told once, however many texts there are.
void note_bos(const Checkpoint& checkpoint, const std::string& given, Progress& progress);

// A note if segments have more tokens than the model was made for.
void warn_of_long_segments(const ModelSpec& spec, int64_t seqlen, Progress& progress);

}  // namespace sleb::app
