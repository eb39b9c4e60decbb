// sleb info: what a checkpoint is, from its headers alone.

#include <fmt/core.h>

#include <algorithm>
#include <optional>
#include <variant>

#include "apps/sleb/commands/commands.h"
#include "apps/sleb/options/arguments.h"
#include "apps/sleb/options/results.h"
#include "apps/sleb/terminal/streams.h"
#include "sleb/base/error.h"
#include "sleb/base/numbers.h"
#include "sleb/checkpoint/checkpoint.h"
#include "sleb/checkpoint/families.h"
#include "sleb/engine/memory/memory_plan.h"
#include "sleb/search/race_sweep.h"

namespace sleb::app {
namespace {

struct InfoArguments {
  std::string model;
  std::string json;
  bool families = false;
  bool force = false;
};

constexpr int64_t default_seqlen = 2048;  // --seqlen

std::string types_text(const Checkpoint& checkpoint) {
  std::string text;
  for (const auto& [type, elements] : checkpoint.stored_types()) {
    text += fmt::format("{}{} {:.1f}%", text.empty() ? "" : ", ", type,
                        100 * static_cast<double>(elements) / static_cast<double>(checkpoint.spec().parameters()));
  }
  return text;
}

std::string attention_text(const ModelSpec& spec) {
  std::string text = fmt::format("{} heads of {}", spec.num_heads, spec.head_dim);
  if (spec.num_kv_heads != spec.num_heads) text += fmt::format(", {} key/value heads", spec.num_kv_heads);
  const auto windowed = std::ranges::count_if(spec.sliding_windows, [](int64_t window) { return window > 0; });
  if (windowed > 0) {
    text += fmt::format(", window {} in {} blocks", *std::ranges::max_element(spec.sliding_windows), windowed);
  }
  return text;
}

std::string tokenizer_text(const Checkpoint& checkpoint) {
  try {
    const Tokenizer tokenizer = checkpoint.tokenizer();
    return fmt::format("{}, {} tokens", tokenizer.model_type(), tokenizer.vocabulary_size());
  } catch (const Error& error) {
    return fmt::format("not usable: {}", error.what());
  }
}

// Weights as a CPU holds them to run: the embedding stays in the file.
uint64_t resident_bytes(const ModelSpec& spec, uint64_t bytes_each) {
  // A tied one is held after all, as the head.
  const int64_t embedding = spec.tied_head ? 0 : spec.vocabulary_size * spec.embedding_size;
  return static_cast<uint64_t>(spec.parameters() - embedding) * bytes_each;
}

// What `sleb prune` would take at its defaults beside the program itself and states kept between rounds.
uint64_t search_bytes(const Checkpoint& checkpoint, const std::string& dtype) {
  const ModelSpec& spec = checkpoint.spec();
  const Compute compute{"cpu", dtype, 1};
  std::vector<Plan> candidates;
  for (int64_t i = 1; i < spec.num_blocks - 1; ++i) candidates.push_back(Plan::without_blocks(std::span(&i, 1)));
  const int64_t seqlen =
      spec.position == PositionKind::learned ? std::min(default_seqlen, spec.max_positions) : default_seqlen;
  const SweepSize sizes{.segments = 1, .seqlen = seqlen, .scored_rows = default_block_tokens, .divergence = true};
  const MemoryPlan plan(spec, compute, stored_forms(checkpoint), search_workload(spec, compute, candidates, sizes));
  return plan.predict({plan.weights().all(), 0, plan.default_chunk()}).growth.resident;
}

std::string list_or_none(const std::vector<int64_t>& blocks) {
  return blocks.empty() ? "no block"
                        : fmt::format("{} {}", blocks.size() == 1 ? "block" : "blocks", format_list(blocks));
}

// What sleb recorded in a GGUF that it wrote; nothing where it did not.
struct RemovedBlocks {
  std::vector<int64_t> blocks;  // numbered as in `source`
  std::string source;
};

std::optional<RemovedBlocks> removed_blocks(const Checkpoint& checkpoint) {
  if (!checkpoint.is_gguf()) return {};
  const GgufMetadata& metadata = checkpoint.gguf()->metadata();
  const auto blocks = metadata.find("sleb.removed_blocks"), source = metadata.find("sleb.source");
  if (blocks == metadata.end() || source == metadata.end()) return {};
  const auto* list = std::get_if<std::vector<int64_t>>(&blocks->second);
  const auto* name = std::get_if<std::string>(&source->second);
  if (list == nullptr || name == nullptr || list->empty()) return {};
  return RemovedBlocks{*list, *name};
}

// The table of families, as README's list has it.
void print_families() {
  print("| model_type | models | GGUF |\n| --- | --- | --- |\n");
  for (const Family& family : families()) {
    print("| {} | {} | {} |\n", family.model_type, family.models, family.gguf_architecture);
  }
}

std::string mlp_text(const ModelSpec& spec) {
  std::string mlp = fmt::format("MLP {}", spec.intermediate_size);
  if (spec.num_mixtures() == 0) return mlp;
  const ExpertSpec& experts = spec.experts;
  return fmt::format("{} experts of {}, {} for each token{}{}", experts.count, experts.size, experts.chosen,
                     experts.shared_size > 0 ? fmt::format(", one of {} for all", experts.shared_size) : "",
                     spec.dense_blocks.empty() ? "" : fmt::format("; {} in {}", mlp, list_or_none(spec.dense_blocks)));
}

void run(const InfoArguments& arguments, Session& session) {
  if (arguments.families) {
    const bool alone = arguments.model.empty() && arguments.json.empty() && !arguments.force;
    if (!alone) bad_input("--families stands alone: it lists the families that sleb knows, and reads no model");
    return print_families();
  }
  if (arguments.model.empty()) bad_input("no model: give a folder, a .gguf file or a name; or --families for a list");

  OutputGuard guard(session);
  guard.reads(place_of_model(arguments.model));
  guard.writes_file("--json", arguments.json, arguments.force);
  const ModelSource source = find_model(arguments.model, ModelParts::all, session.progress);
  const Checkpoint checkpoint = open_model(source, session.progress);
  const ModelSpec& spec = checkpoint.spec();
  const std::string types = types_text(checkpoint);
  const std::string tokenizer = tokenizer_text(checkpoint);
  const std::optional<RemovedBlocks> removed = removed_blocks(checkpoint);
  if (!arguments.json.empty()) {
    OrderedJson json = {{"model", arguments.model}};
    if (!source.commit.empty()) json["commit"] = source.commit;
    json.update(
        {{"format", checkpoint.is_gguf() ? "gguf" : "safetensors"},
         {"family", spec.family},
         {"num_blocks", spec.num_blocks},
         {"parameters", spec.parameters()},
         {"active_parameters", spec.active_parameters()},
         {"block_parameters", spec.block_parameters()},
         {"without_attention", spec.without_attention},
         {"without_mlp", spec.without_mlp},
         {"file_bytes", checkpoint.file_bytes()},
         {"hidden_size", spec.hidden_size},
         {"vocabulary_size", spec.vocabulary_size},
         {"max_positions", spec.max_positions},
         {"types", types},
         {"tokenizer", tokenizer},
         {"warnings", checkpoint.warnings()},
         {"weight_bytes", {{"float32", resident_bytes(spec, 4)}, {"bfloat16", resident_bytes(spec, 2)}}},
         {"prune_bytes",
          {{"float32", search_bytes(checkpoint, "float32")}, {"bfloat16", search_bytes(checkpoint, "bfloat16")}}}});
    if (removed) json["removed"] = {{"blocks", removed->blocks}, {"source", removed->source}};
    write_json(arguments.json, json);
  }
  if (arguments.json == "-") return;
  const auto line = [](std::string_view what, const std::string& value) { print("{:<14}{}\n", what, value); };
  line("model", fmt::format("{} ({}, {})", arguments.model, checkpoint.is_gguf() ? "GGUF" : "safetensors",
                            format_bytes(checkpoint.file_bytes())));
  line("family", spec.family);
  line("blocks", fmt::format("{} of {} parameters {}", spec.num_blocks,
                             format_count(static_cast<double>(spec.block_parameters())),
                             spec.dense_blocks.empty() ? "each" : "at most"));
  if (removed) {
    std::vector<int64_t> blocks = removed->blocks;
    std::ranges::sort(blocks);
    line("removed", fmt::format("{} of {}", list_or_none(blocks), removed->source));
  }
  if (!spec.has_all_halves()) {
    line("halves", fmt::format("no attention in {}; no MLP in {}", list_or_none(spec.without_attention),
                               list_or_none(spec.without_mlp)));
  }
  const auto active = spec.is_mixture() ? fmt::format(", of which a token meets {}",
                                                      format_count(static_cast<double>(spec.active_parameters())))
                                        : "";
  line("parameters", fmt::format("{}{}{}", format_count(static_cast<double>(spec.parameters())), active,
                                 spec.tied_head ? ", head tied to the embedding" : ""));
  line("types", types);
  line("hidden size",
       fmt::format("{}{}, {}", spec.hidden_size,
                   spec.has_projections() ? fmt::format(", embedding {}", spec.embedding_size) : "", mlp_text(spec)));
  line("attention", attention_text(spec));
  line("positions", fmt::format("{}{}", spec.max_positions, spec.position == PositionKind::learned ? ", learned" : ""));
  line("tokenizer", tokenizer);
  line("memory", fmt::format("weights {} in float32, {} in bfloat16", format_bytes(resident_bytes(spec, 4)),
                             format_bytes(resident_bytes(spec, 2))));
  line("to prune", fmt::format("{} in float32, {} in bfloat16, and states kept between rounds",
                               format_bytes(search_bytes(checkpoint, "float32")),
                               format_bytes(search_bytes(checkpoint, "bfloat16"))));
}

}  // namespace

void add_info(CLI::App& app, Session& session) {
  auto* command = app.add_subcommand("info", "Say what a checkpoint is, from its headers alone");
  auto arguments = std::make_shared<InfoArguments>();
  add_model(*command, arguments->model);
  command->get_option("model")->required(false);
  command->add_flag("--families", arguments->families, "List the families of models that sleb knows");
  add_json(*command, arguments->json, "Write this");
  add_force(*command, arguments->force);
  command->footer(
      "Examples:\n"
      "  sleb info HuggingFaceTB/SmolLM2-135M\n"
      "  sleb info SmolLM2-135M-Instruct.Q4_1.gguf --json -\n"
      "  sleb info --families");
  command->callback([arguments, &session] {
    check_alone(session, "info");
    run(*arguments, session);
  });
}

}  // namespace sleb::app
