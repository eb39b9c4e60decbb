// The texts that a model is run on: calibration, from a text file or from ready ids, and evaluation.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "sleb/checkpoint/checkpoint.h"
#include "sleb/corpus/corpus.h"

namespace sleb::app {

struct CalibrationArguments {
  std::string dataset;
  std::string tokens;
  int64_t segments = 0;  // 0: all
  CalibrationOptions options;

  // 0 means all.
  std::optional<int64_t> wanted_segments() const { return segments > 0 ? std::optional(segments) : std::nullopt; }
};

void add_calibration(CLI::App& command, CalibrationArguments& arguments);
// Throws Error(bad_input).
Corpus load_calibration(const Checkpoint& checkpoint, const CalibrationArguments& arguments, Progress& progress);

// A note if the texts are not those of a column named "text".
void note_column(const Corpus& text, Progress& progress);

// Throws Error(bad_input) for a data set given to `option` by its name, unless there is a file of that name; the
// message names the file of the data set's `part`.
enum class DatasetPart { train, evaluation };
void refuse_dataset_by_name(std::string_view option, const std::string& text, DatasetPart part);

// A note if segments have more tokens than the model was made for.
void warn_of_long_segments(const ModelSpec& spec, int64_t seqlen, Progress& progress);

}  // namespace sleb::app
