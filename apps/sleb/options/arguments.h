// Options that several commands share, declared once, and the small conversions the command line needs.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "sleb/base/progress.h"
#include "sleb/checkpoint/checkpoint.h"
#include "sleb/engine/compute.h"
#include "sleb/export/pruned_checkpoint.h"
#include "sleb/hub/model_source.h"

namespace sleb::app {

// --num_remove_blocks -> --num-remove-blocks: the reference spells its options with underscores.
std::vector<std::string> with_hyphens(int argc, char** argv);
// The command as one line that a shell would take.
std::string command_line(const std::vector<std::string>& arguments);

// Refuses smaller numbers in words (CLI11's own check prints the whole range of a double).
CLI::Validator at_least(int64_t least);
// Refuses other numbers, and nan, which CLI11's own check takes.
CLI::Validator between(double least, double most);

// Takes "512M" or "2G" (powers of 1024; K, M, G, T, none: bytes) and turns it into a number of bytes.
CLI::Validator byte_size();

// What it means is find_model's to say.
void add_model(CLI::App& command, std::string& model);
// --base-model of commands that write a model card.
void add_base_model(CLI::App& command, std::string& base_model);
// --out-dtype and --shard-bytes: the type in which tensors are written, and in how large files.
void add_out_form(CLI::App& command, ExportOptions& options);
// Opens the checkpoint, and says what the user should know of it.
Checkpoint open_model(const ModelSource& model, Progress& progress);
void note_warnings(const std::vector<std::string>& warnings, Progress& progress);
void add_compute(CLI::App& command, ComputeOptions& options);
// --packed, of commands that write tokens.
void add_packed(CLI::App& command, ComputeOptions& options);

}  // namespace sleb::app
