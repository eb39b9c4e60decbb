#include "apps/sleb/options/arguments.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string_view>

namespace sleb::app {

std::vector<std::string> with_hyphens(int argc, char** argv) {
  std::vector<std::string> arguments;
  for (int i = 1; i < argc; ++i) {
    std::string argument = argv[i];
    if (argument.starts_with("--")) {
      const auto end = std::ranges::find(argument, '=');
      std::replace(argument.begin(), end, '_', '-');
    }
    arguments.push_back(std::move(argument));
  }
  return arguments;
}

std::string command_line(const std::vector<std::string>& arguments) {
  std::string line = "sleb";
  for (const std::string& argument : arguments) {
    const bool plain = !argument.empty() && argument.find_first_of(" \t\n'\"\\$`*?[]{}()<>|&;~#!") == std::string::npos;
    std::string quoted = "'";
    for (const char c : argument) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
    line += " " + (plain ? argument : quoted + "'");
  }
  return line;
}

CLI::Validator at_least(int64_t least) {
  const auto check = [least](const std::string& text) {
    int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool whole = error == std::errc() && end == text.data() + text.size();
    return whole && value >= least ? std::string() : fmt::format("{}: expected a whole number from {}", text, least);
  };
  return {check, "", ""};
}

CLI::Validator between(double least, double most) {
  const auto check = [least, most](const std::string& text) {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool whole = error == std::errc() && end == text.data() + text.size();
    return whole && value >= least && value <= most
               ? std::string()
               : fmt::format("{}: expected a number from {} to {}", text, least, most);
  };
  return {check, "", ""};
}

CLI::Validator byte_size() {
  const auto convert = [](std::string& text) {
    constexpr std::string_view units = "KMGT";
    uint64_t value = 0;
    const char* const text_end = text.data() + text.size();
    const auto [end, error] = std::from_chars(text.data(), text_end, value);
    const std::string_view unit(end, text_end);
    const size_t power = unit.size() == 1 ? units.find(unit[0]) : std::string_view::npos;
    const uint64_t factor = power == std::string_view::npos ? 1 : uint64_t{1} << (10 * (power + 1));
    if (error != std::errc() || (!unit.empty() && factor == 1) || value > UINT64_MAX / factor) {
      return fmt::format("{}: expected a number of bytes like 512M or 2G", text);
    }
    text = std::to_string(value * factor);
    return std::string();
  };
  return {convert, "", ""};
}

void add_model(CLI::App& command, std::string& model) {
  command
      .add_option("model", model,
                  "Checkpoint folder, .gguf file, or a name on the Hugging Face hub: org/name[@revision], a GGUF as "
                  "org/name:Q4_K_M or org/name/file.gguf")
      ->required()
      ->type_name("MODEL");
}

void add_out_form(CLI::App& command, ExportOptions& options) {
  command
      .add_option("--out-dtype", options.out_dtype,
                  "Type of what is written; auto: as stored, from a GGUF bfloat16; q8_0: of a folder written as a GGUF")
      ->capture_default_str()
      ->check(CLI::IsMember({"auto", "float32", "bfloat16", "float16", "q8_0"}))
      ->type_name("TYPE");
  command
      .add_option("--shard-bytes", options.shard_bytes,
                  "Largest shard; a GGUF that is larger is divided, as llama-gguf-split does (default: 5000000000, a "
                  "GGUF in one file)")
      ->check(at_least(1))
      ->type_name("BYTES");
}

void add_base_model(CLI::App& command, std::string& base_model) {
  const auto check = [](const std::string& text) {
    return is_repository_name(text) ? "" : text + ": expected a name on the hub, org/name";
  };
  command
      .add_option("--base-model", base_model,
                  "base_model of the model card, which links it to that model's page on the hub (default: MODEL, if it "
                  "is a name)")
      ->check(CLI::Validator(check, "", ""))
      ->type_name("NAME");
}

Checkpoint open_model(const ModelSource& model, Progress& progress) {
  Checkpoint checkpoint = Checkpoint::open(model.path);
  note_warnings(checkpoint.warnings(), progress);
  return checkpoint;
}

void note_warnings(const std::vector<std::string>& warnings, Progress& progress) {
  for (const std::string& warning : warnings) progress.note(fmt::format("warning: {}", warning));
}

void add_packed(CLI::App& command, ComputeOptions& options) {
  command.add_flag("--packed", options.packed_weights,
                   "Keep 4-bit weights packed and compute with them so, in bfloat16 on the CPU: less memory, faster "
                   "tokens");
}

void add_compute(CLI::App& command, ComputeOptions& options) {
  command.add_option("--device", options.device, "auto, cpu, cuda or cuda:N")
      ->capture_default_str()
      ->type_name("DEVICE");
  command
      .add_option(
          "--dtype", options.dtype,
          "Compute type: auto, float32, bfloat16 or float16 (auto on a GPU: bfloat16, before compute capability 8.0 "
          "float16; on a CPU the faster of float32 and bfloat16)")
      ->capture_default_str()
      ->check(CLI::IsMember({"auto", "float32", "bfloat16", "float16"}))
      ->type_name("TYPE");
  command.add_option("--threads", options.threads, "CPU threads (default: libtorch's choice)")
      ->check(CLI::Range(1, 4096))
      ->type_name("N");
  const CLI::Validator bytes = byte_size();
  const auto bytes_or_auto = [bytes](std::string& text) {
    if (text == "auto") return text = "0", std::string();
    const std::string problem = bytes(text);
    return problem.empty() && text == "0" ? "0 bytes: no model runs without weights; give more, or auto" : problem;
  };
  command
      .add_option("--weights-memory", options.weights_memory,
                  "Memory for weights, 512M or 8G; blocks beyond it are read from the file in every pass (auto: what "
                  "is free)")
      ->default_str("auto")
      ->transform(CLI::Validator(bytes_or_auto, "", ""))
      ->type_name("BYTES");
}

}  // namespace sleb::app
