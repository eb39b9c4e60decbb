#include "sleb/export/pruned_checkpoint.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "sleb/base/error.h"
#include "sleb/base/utf8.h"
#include "sleb/checkpoint/companions.h"
#include "sleb/checkpoint/expert_stacks.h"
#include "sleb/checkpoint/families.h"
#include "sleb/checkpoint/formats/encode.h"
#include "sleb/export/gguf/gguf_output.h"
#include "sleb/export/gguf_checkpoint.h"
#include "sleb/export/halved_blocks.h"
#include "sleb/export/output_folder.h"
#include "sleb/export/pruned_config.h"

namespace sleb {
namespace fs = std::filesystem;
namespace {

constexpr const char* picture_name = "sleb.svg";

constexpr const char* own_code = "auto_map";
constexpr const char* quantization_key = "quantization_config";
constexpr uint64_t usual_shard_bytes = 5'000'000'000;

// Whether Python code goes with the model.
bool keeps_code(const Checkpoint& checkpoint) {
  return !checkpoint.is_gguf() && brings_code(checkpoint.path());
}

// A tensor of the new checkpoint and the one it comes from.
struct Transfer {
  std::string source;
  TensorLayout layout;
  int64_t parameters = 0;  // of the model
  // Of a packed weight, which is the source: its bytes are copied.
  const StoredTensor* part = nullptr;
  // Of a stack of experts that are apart in a GGUF, in the place of `source`: the tensors that it is made of.
  std::vector<std::pair<std::string, PlaceInStack>> stacked = {};
};

std::optional<StoredType> chosen_type(const std::string& name) {
  if (name == "auto") return {};
  if (name == "float32") return StoredType::f32;
  if (name == "bfloat16") return StoredType::bf16;
  if (name == "float16") return StoredType::f16;
  if (name == "q8_0") return StoredType::q8_0;
  bad_input("--out-dtype {}: not known; give auto, float32, bfloat16, float16, or of a GGUF q8_0", name);
}

// What config.json calls it.
std::string dtype_name(StoredType type) {
  return type == StoredType::f32 ? "float32" : type == StoredType::f16 ? "float16" : "bfloat16";
}

bool is_quantized(const Checkpoint& checkpoint) {
  return checkpoint.has_packed_weights() || !checkpoint.scale_names().empty();
}

// 8-bit floats stay what they are, with their scales, and so do packed weights.
bool stays_quantized(const Checkpoint& checkpoint, const ExportOptions& options) {
  return !chosen_type(options.out_dtype) && !is_gguf_output(options.out) && is_quantized(checkpoint);
}

// The name of a tensor in the new checkpoint. Nothing for one of a block that is gone.
std::optional<std::string> new_name(const Checkpoint& checkpoint, const std::vector<int64_t>& kept,
                                    const std::string& name, const std::string& in_file) {
  const bool is_multimodal = checkpoint.spec().is_multimodal;
  const auto appended = appended_block_of(checkpoint.spec(), name);
  const auto block = block_of(checkpoint.spec(), name);
  if (!block && !appended) return is_multimodal ? in_file : name;
  const auto found = std::ranges::find(kept, block.value_or(0));
  if (block && found == kept.end()) return {};
  const int64_t place = appended ? std::ssize(kept) + *appended : found - kept.begin();
  const std::string_view prefix = checkpoint.spec().names.block_prefix;
  const std::string renumbered = fmt::format("{}{}{}", prefix, place, name.substr(name.find('.', prefix.size())));
  // The file's name ends as the family's does, from the blocks' list on.
  const size_t list = prefix.rfind('.', prefix.size() - 2) + 1;
  const std::string before =
      is_multimodal ? in_file.substr(0, in_file.size() - (name.size() - list)) : name.substr(0, list);
  return before + renumbered.substr(list);
}

// Tensors of halves that go while the other half stays.
std::set<std::string> names_of_halves(const ModelSpec& spec, const RemovalList& list) {
  std::set<std::string> names;
  for (const Removal& removal : list) {
    if (!removal.half) continue;
    for (const TensorShape& tensor : spec.half_tensors(removal.block, *removal.half)) names.insert(tensor.name);
  }
  return names;
}

// Tensors that the model is not computed from. Those of other parts may belong to halves that are gone; blocks behind
// the model's are kept where they stay as they are, since what scales or packs their weights is not known here.
bool keeps_others(const Checkpoint& checkpoint, const ExportOptions& options) {
  if (has_single_halves(options.removal_list)) return false;
  return checkpoint.spec().appended_blocks == 0 || !is_quantized(checkpoint) || stays_quantized(checkpoint, options);
}

// The model as its family's folders hold it.
ModelSpec as_in_folder(const ModelSpec& spec) {
  ModelSpec other = spec;
  other.experts.stacked = find_family(spec.family)->assumed.experts.stacked;
  if (other.experts.stacked) other.names.parts = find_family(spec.family)->names.parts;
  return other;
}

// Tensors of a folder that a GGUF has in parts.
std::vector<Transfer> plan_stacks(const Checkpoint& checkpoint, const std::vector<int64_t>& kept, StoredType type) {
  const ModelSpec spec = as_in_folder(checkpoint.spec());
  std::map<std::string, Transfer> stacks;
  if (checkpoint.spec().experts.stacked == spec.experts.stacked) return {};
  for (const auto& [part, place] : places_in_stacks(spec)) stacks[place.stack].stacked.emplace_back(part, place);
  std::vector<Transfer> transfers;
  for (const auto& [name, shape] : spec.tensors()) {
    const auto found = stacks.find(name);
    const auto own = found == stacks.end() ? std::nullopt : new_name(checkpoint, kept, name, name);
    if (!own) continue;
    Transfer& transfer = found->second;
    transfer.source = name;
    transfer.layout = {*own, type, shape};
    transfer.parameters = count_elements(shape).value();
    transfers.push_back(std::move(transfer));
  }
  return transfers;
}

std::vector<Transfer> plan_transfers(const Checkpoint& checkpoint, const ExportOptions& options) {
  const auto kept = kept_blocks(checkpoint.spec().num_blocks, blocks_gone(options.removal_list));
  const std::set<std::string> left_out = names_of_halves(checkpoint.spec(), options.removal_list);
  const bool stays = stays_quantized(checkpoint, options);
  const std::vector<std::string> none;
  std::vector<Transfer> transfers;
  const auto add = [&](const std::string& name, StoredType type, int64_t parameters) {
    if (left_out.contains(name)) return;
    const StoredTensor& stored = checkpoint.tensor(name);
    const auto own = new_name(checkpoint, kept, name, stored.name);
    if (own) transfers.push_back({name, {*own, type, stored.shape}, parameters});
  };
  const auto stacks = plan_stacks(checkpoint, kept, chosen_type(options.out_dtype).value_or(StoredType::bf16));
  std::set<std::string> in_stacks;
  for (const Transfer& transfer : stacks) {
    for (const auto& [part, place] : transfer.stacked) in_stacks.insert(part);
  }
  for (const std::string& name : checkpoint.tensor_names()) {
    if (in_stacks.contains(name)) continue;
    const int64_t parameters = checkpoint.tensor(name).elements();
    const PackedWeight* packed = stays ? checkpoint.packed(name) : nullptr;
    if (packed == nullptr) {
      add(name, written_type(checkpoint, name, options), parameters);
      continue;
    }
    bool is_first = true;
    for (const StoredPart& part : packed->parts()) {
      const auto own = new_name(checkpoint, kept, part.name, part.tensor.name);
      if (!own) break;
      transfers.push_back({name, {*own, part.tensor.type, part.tensor.shape}, is_first ? parameters : 0, &part.tensor});
      is_first = false;
    }
  }
  transfers.insert(transfers.end(), stacks.begin(), stacks.end());
  for (const std::string& name : keeps_others(checkpoint, options) ? checkpoint.other_names() : none) {
    add(name, written_type(checkpoint, name, options), checkpoint.tensor(name).elements());
  }
  if (!stays) return transfers;
  for (const std::string& name : checkpoint.scale_names()) add(name, checkpoint.tensor(name).type, 0);
  return transfers;
}

// Consecutive transfers whose tensors fit one shard.
std::vector<std::vector<Transfer>> split_into_shards(std::vector<Transfer> transfers, uint64_t shard_bytes) {
  std::vector<std::vector<Transfer>> shards(1);
  uint64_t used = 0;
  for (Transfer& transfer : transfers) {
    const uint64_t bytes = transfer.layout.bytes();
    if (!shards.back().empty() && used + bytes > shard_bytes) {
      shards.emplace_back();
      used = 0;
    }
    used += bytes;
    shards.back().push_back(std::move(transfer));
  }
  return shards;
}

// All experts of a block at once.
void write_stack(const Checkpoint& checkpoint, const Transfer& transfer, SafetensorsWriter& writer) {
  const std::vector<int64_t>& shape = transfer.layout.shape;
  std::vector<float> values(static_cast<size_t>(transfer.parameters));
  const size_t size = values.size() / static_cast<size_t>(shape[0]);
  for (const auto& [name, place] : transfer.stacked) {
    std::vector<float> part(static_cast<size_t>(checkpoint.tensor(name).elements()));
    checkpoint.read(name, part);
    checkpoint.release(name);
    put_into_stack(part, place, checkpoint.tensor(name).shape[0],
                   std::span(values).subspan(static_cast<size_t>(place.expert) * size, size));
  }
  writer.write(encode(transfer.layout.type, values));
}

void write_tensor(const Checkpoint& checkpoint, const Transfer& transfer, SafetensorsWriter& writer) {
  if (!transfer.stacked.empty()) return write_stack(checkpoint, transfer, writer);
  const StoredTensor& stored = transfer.part != nullptr ? *transfer.part : checkpoint.tensor(transfer.source);
  if (!checkpoint.is_gguf() && stored.type == transfer.layout.type) {
    writer.write(stored.data);
  } else {
    std::vector<float> values(static_cast<size_t>(stored.elements()));
    checkpoint.read(transfer.source, values);
    writer.write(encode(transfer.layout.type, values));
  }
  checkpoint.release(transfer.source);
}

std::string shard_name(size_t index, size_t count) {
  return count == 1 ? "model.safetensors" : fmt::format("model-{:05}-of-{:05}.safetensors", index + 1, count);
}

void write_weights(const Checkpoint& checkpoint, const ExportOptions& options, const fs::path& folder,
                   Progress& progress) {
  const auto shards =
      split_into_shards(plan_transfers(checkpoint, options), options.shard_bytes.value_or(usual_shard_bytes));
  Json weight_map = Json::object();
  uint64_t total = 0;
  for (const auto& shard : shards) {
    for (const Transfer& transfer : shard) total += transfer.layout.bytes();
  }
  progress.begin("writing", total >> 20, "MiB");
  uint64_t written = 0;
  for (size_t i = 0; i < shards.size(); ++i) {
    const std::string name = shard_name(i, shards.size());
    std::vector<TensorLayout> layout;
    for (const Transfer& transfer : shards[i]) layout.push_back(transfer.layout);
    SafetensorsWriter writer(folder / name, std::move(layout));
    for (const Transfer& transfer : shards[i]) {
      check_interrupt();
      write_tensor(checkpoint, transfer, writer);
      weight_map[transfer.layout.name] = name;
      const uint64_t before = written;
      written += transfer.layout.bytes();
      progress.advance((written >> 20) - (before >> 20));
    }
    writer.close();
  }
  progress.end();
  if (shards.size() == 1) return;
  const Json index = {{"metadata", {{"total_size", total}}}, {"weight_map", weight_map}};
  write_file_atomically(folder / "model.safetensors.index.json", index.dump(2) + "\n");
}

// Modules, by their new names, whose packed weights have been replaced.
std::vector<std::string> modules_written_plain(const Checkpoint& checkpoint, const std::vector<int64_t>& kept) {
  std::vector<std::string> modules;
  for (const std::string& name : checkpoint.replaced_packed_weights()) {
    const auto own = new_name(checkpoint, kept, name, checkpoint.tensor(name).name);
    if (own) modules.push_back(own->substr(0, own->rfind('.')));
  }
  return modules;
}

PrunedConfig new_config(const Checkpoint& checkpoint, const ExportOptions& options, const std::vector<int64_t>& kept) {
  const auto type = chosen_type(options.out_dtype);
  const std::string dtype = type ? dtype_name(*type) : checkpoint.is_gguf() ? "bfloat16" : "";
  const std::string label = (checkpoint.path() / "config.json").string();
  PrunedConfig pruned = prune_config(checkpoint.config(), checkpoint.spec(), kept, dtype, label);
  OrderedJson& config = pruned.config;
  const std::string appended(find_family(checkpoint.spec().family)->keys[Setting::appended_blocks]);
  const bool has_others = checkpoint.is_gguf() || !checkpoint.other_names().empty();
  const bool keeps = !checkpoint.is_gguf() && keeps_others(checkpoint, options);
  if (!appended.empty() && checkpoint.spec().appended_blocks > 0 && has_others && !keeps) {
    config[appended] = 0;
    pruned.warnings.push_back(
        fmt::format("{}: the {} behind the model's, which predict the token after the next, are left out", label,
                    checkpoint.spec().appended_blocks == 1 ? "block" : "blocks"));
  }
  if (!keeps_code(checkpoint)) config.erase(own_code);  // its .py files are not copied
  if (type) {
    config.erase(quantization_key);
  } else if (stays_quantized(checkpoint, options) && !config.contains(quantization_key)) {
    bad_input(
        "{}: lacks quantization_config, without which nobody knows what its 8-bit weights are; give --out-dtype "
        "bfloat16 to "
        "write plain ones",
        label);
  } else if (config.contains(quantization_key)) {
    OrderedJson& quantization = config[quantization_key];
    renumber_modules(quantization, kept, fmt::format("{}: {}", label, quantization_key));
    exclude_modules(quantization, modules_written_plain(checkpoint, kept), std::string(checkpoint.spec().names.head));
  }
  if (has_single_halves(options.removal_list)) {
    config = config_with_halves(config, checkpoint.spec(), options.removal_list);
  }
  return pruned;
}

// What becomes of Python code that belongs to the model, one line each.
std::vector<std::string> notes_on_code(const Checkpoint& checkpoint, const ExportOptions& options) {
  const std::string out = options.out.string();
  const bool has_map = checkpoint.config().contains(own_code);
  const ModelSpec& spec = checkpoint.spec();
  if (has_single_halves(options.removal_list)) return notes_on_halves(spec, options.removal_list);
  if (keeps_code(checkpoint)) {
    const std::vector<std::string> files = code_files(checkpoint.path());
    if (has_map && !files.empty()) {
      return {fmt::format("{}: {} and auto_map go along, as transformers has no {}; give it trust_remote_code=True",
                          out, fmt::join(files, ", "), spec.architecture)};
    }
    return {
        fmt::format("{}: transformers has no {} and needs the model's own code, which {}: copy its .py files and "
                    "auto_map from where the model was published",
                    out, spec.architecture, has_map ? "is not in its folder" : "config.json does not name")};
  }
  std::vector<std::string> notes;
  if (has_map) {
    notes.push_back(
        fmt::format("{}: auto_map is left out of config.json, with the code it names: the pruned model is "
                    "loaded as transformers' {}",
                    out, spec.architecture));
  }
  if (!checkpoint.is_gguf() && tokenizer_names_own_code(checkpoint.path())) {
    notes.push_back(fmt::format("{}: auto_map is left out of tokenizer_config.json, with the code it names", out));
  }
  return notes;
}

// Repaired matrices are plain, and a quantization_config must be able to say so.
void check_repaired(const Checkpoint& checkpoint, const ExportOptions& options) {
  if (!options.repaired || !checkpoint.has_packed_weights() || !stays_quantized(checkpoint, options)) return;
  const std::string method = quantization_method(checkpoint.config().at(quantization_key));
  if (!exclusion_list(method).empty()) return;
  bad_input(
      "{}: a quantization_config of {} can't say which matrices are plain, as repaired ones are; give --out-dtype "
      "bfloat16 to write plain weights",
      checkpoint.path().string(), quote(method));
}

void check_halves(const Checkpoint& checkpoint, const ExportOptions& options) {
  const ModelSpec& spec = checkpoint.spec();
  std::string reason = inexpressible_with_halves(spec);
  if (checkpoint.is_gguf()) reason = "what a GGUF says of itself";
  if (stays_quantized(checkpoint, options)) reason = "quantised weights";
  if (reason.empty()) return;
  bad_input(
      "{}: blocks that lack one half are written as DeciLM (nemotron-nas), whose config.json can't express {}; leave "
      "--out out, or remove whole blocks",
      checkpoint.path().string(), reason);
}

// The removal list; before a search it is not known what will go: that the first block will is the least convenient
// case.
std::vector<int64_t> likely_gone(const Checkpoint& checkpoint, const ExportOptions& options) {
  const bool unknown = options.removal_list.empty() && checkpoint.spec().num_blocks > 1;
  return unknown ? std::vector<int64_t>{0} : blocks_gone(options.removal_list);
}

// transformers computes with it in float32 whatever the model's type (_keep_in_fp32_modules_strict), and another bit of
// it may be another expert.
bool is_score_correction(const ModelSpec& spec, std::string_view name) {
  const std::string_view own = spec.names.parts[Part::score_correction];
  return !own.empty() && name.ends_with(own);
}

}  // namespace

std::string card_picture(const std::string& alternative_text) {
  return fmt::format("![{}]({})\n\n", alternative_text, picture_name);
}

StoredType written_type(const Checkpoint& checkpoint, const std::string& name, const ExportOptions& options) {
  // ggml adds and multiplies by vectors in float32 only.
  if (is_gguf_output(options.out) && checkpoint.tensor(name).shape.size() < 2) return StoredType::f32;
  if (is_integer(checkpoint.tensor(name).type)) return checkpoint.tensor(name).type;  // a buffer of another part
  if (is_score_correction(checkpoint.spec(), name)) return checkpoint.tensor(name).type;
  if (const auto chosen = chosen_type(options.out_dtype)) return *chosen;
  // A GGUF keeps norms in float32 beside quantised matrices; its Hugging Face form is of one type.
  if (checkpoint.is_gguf()) return StoredType::bf16;
  const PackedWeight* packed = checkpoint.packed(name);
  const StoredType stored = packed != nullptr ? packed->value_type() : checkpoint.tensor(name).type;
  if (!is_gguf_output(options.out)) return stored;
  if (packed != nullptr && packed->gguf_type()) return *packed->gguf_type();
  // ggml has no 8-bit floats, and computes with nothing wider than float32.
  const bool is_plain = stored == StoredType::f32 || stored == StoredType::f16 || stored == StoredType::bf16;
  return is_plain ? stored : stored == StoredType::f64 ? StoredType::f32 : StoredType::bf16;
}

void check_output(const ExportOptions& options) {
  const auto chosen = chosen_type(options.out_dtype);
  if (options.out.empty()) bad_input("--out: give a folder");
  if (is_gguf_output(options.out)) {
    return check_gguf_output(options.out, options.shard_bytes.has_value(), options.force);
  }
  if (chosen && is_quantized(*chosen)) {
    bad_input("--out-dtype {}: safetensors have no such type; give a file, FILE.gguf, as --out", options.out_dtype);
  }
  if (options.force) return check_replaceable(options.out);
  if (fs::exists(followed(options.out))) {
    bad_input("{}: exists already; give another folder, or --force to replace it", options.out.string());
  }
}

std::vector<std::string> check(const Checkpoint& checkpoint, const ExportOptions& options) {
  check_output(options);
  if (is_gguf_output(options.out)) {
    return check_gguf(checkpoint, options, likely_gone(checkpoint, options));
  }
  check_repaired(checkpoint, options);
  if (options.halves || has_single_halves(options.removal_list)) check_halves(checkpoint, options);
  PrunedConfig pruned =
      new_config(checkpoint, options, kept_blocks(checkpoint.spec().num_blocks, likely_gone(checkpoint, options)));
  checkpoint.check_scales();
  // Everything small is written and removed again: what can't be is better known before the search than after it.
  const StagedFolder trial(options.out, options.force);
  checkpoint.write_companions(trial.path());
  for (const std::string& name : files_below(trial.path())) {
    if (!is_valid_utf8(name)) {
      bad_input("{}: not valid UTF-8, so sleb.json could not name it; rename it", (checkpoint.path() / name).string());
    }
  }
  return std::move(pruned.warnings);
}

ExportSize export_size(const Checkpoint& checkpoint, const ExportOptions& options) {
  ExportSize size{0, 0};
  for (const Transfer& transfer : plan_transfers(checkpoint, options)) {
    size.parameters += transfer.parameters;
    size.bytes += transfer.layout.bytes();
  }
  if (is_gguf_output(options.out) && !has_single_halves(options.removal_list)) {
    size.bytes = gguf_bytes(checkpoint, options);
  }
  return size;
}

std::vector<TensorFile> tensor_files(const Checkpoint& checkpoint, const ExportOptions& options) {
  if (is_gguf_output(options.out)) return gguf_files(checkpoint, options);
  const auto shards =
      split_into_shards(plan_transfers(checkpoint, options), options.shard_bytes.value_or(usual_shard_bytes));
  std::vector<TensorFile> files;
  for (size_t i = 0; i < shards.size(); ++i) {
    files.push_back({shard_name(i, shards.size()), {}});
    for (const Transfer& transfer : shards[i]) files.back().tensors.push_back(transfer.layout);
  }
  return files;
}

void write_pruned_checkpoint(const Checkpoint& checkpoint, const ExportOptions& options, ExportRecord record,
                             Progress& progress) {
  if (is_gguf_output(options.out)) return write_gguf_checkpoint(checkpoint, options, record, progress);
  if (options.force) check_replaceable(options.out);  // hours may have passed
  StagedFolder staged(options.out, options.force);
  for (const std::string& line : notes_on_code(checkpoint, options)) progress.note(line);
  const auto kept = kept_blocks(checkpoint.spec().num_blocks, blocks_gone(options.removal_list));
  const OrderedJson config = new_config(checkpoint, options, kept).config;
  write_file_atomically(staged.path() / "config.json", config.dump(2) + "\n");
  checkpoint.write_companions(staged.path());
  if (has_single_halves(options.removal_list)) write_code_for_halves(staged.path());
  write_weights(checkpoint, options, staged.path(), progress);
  write_file_atomically(staged.path() / "README.md", record.card);
  write_file_atomically(staged.path() / picture_name, record.picture);
  record.json["files"] = files_below(staged.path());
  record.json["files"].push_back("sleb.json");
  write_file_atomically(staged.path() / "sleb.json", record.json.dump(2) + "\n");
  if (options.force) check_replaceable(options.out);  // what the user has put there meanwhile stays
  staged.commit();
}

}  // namespace sleb
