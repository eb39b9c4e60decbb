// The calibration text of `sleb prune`, from a text file or from ready ids.
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
Corpus load_calibration(const Checkpoint& checkpoint, const CalibrationArguments& arguments);

}  // namespace sleb::app
