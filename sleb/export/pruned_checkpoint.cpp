#include "sleb/export/pruned_checkpoint.h"

#include <algorithm>

#include "sleb/base/error.h"
#include "sleb/checkpoint/formats/encode.h"
#include "sleb/export/pruned_config.h"

namespace sleb {
namespace fs = std::filesystem;
namespace {

// A tensor of the new checkpoint and the one it comes from.
struct Transfer {
  std::string source;
  TensorLayout layout;
};

std::optional<StoredType> chosen_type(const std::string& name) {
  if (name == "auto") return {};
  if (name == "float32") return StoredType::f32;
  if (name == "bfloat16") return StoredType::bf16;
  if (name == "float16") return StoredType::f16;
  bad_input("--out-dtype {}: not known; give auto, float32, bfloat16 or float16", name);
}

// What config.json calls it.
std::string dtype_name(StoredType type) {
  return type == StoredType::f32 ? "float32" : type == StoredType::f16 ? "float16" : "bfloat16";
}

StoredType written_type(const StoredTensor& stored, const Checkpoint& checkpoint, const ExportOptions& options) {
  if (const auto chosen = chosen_type(options.out_dtype)) return *chosen;
  // A GGUF keeps norms in float32 beside quantised matrices; its Hugging Face form is of one type.
  return checkpoint.is_gguf() ? StoredType::bf16 : stored.type;
}

std::vector<Transfer> plan_transfers(const Checkpoint& checkpoint, const ExportOptions& options) {
  const ModelSpec& spec = checkpoint.spec();
  const auto kept = kept_blocks(spec.num_blocks, options.removal_list);
  const std::string prefix(spec.names->block_prefix);
  std::vector<Transfer> transfers;
  for (const std::string& name : checkpoint.tensor_names()) {
    std::string new_name = name;
    if (name.starts_with(prefix)) {
      const size_t point = name.find('.', prefix.size());
      const int64_t block = std::stoll(name.substr(prefix.size(), point - prefix.size()));
      const auto place = std::ranges::find(kept, block);
      if (place == kept.end()) continue;
      new_name = fmt::format("{}{}{}", prefix, place - kept.begin(), name.substr(point));
    }
    const StoredTensor& stored = checkpoint.tensor(name);
    transfers.push_back({name, {new_name, written_type(stored, checkpoint, options), stored.shape}});
  }
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

void write_tensor(const Checkpoint& checkpoint, const Transfer& transfer, SafetensorsWriter& writer) {
  const StoredTensor& stored = checkpoint.tensor(transfer.source);
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
  const auto shards = split_into_shards(plan_transfers(checkpoint, options), options.shard_bytes);
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

}  // namespace

void check(const Checkpoint& checkpoint, const ExportOptions& options) {
  chosen_type(options.out_dtype);
  if (options.out.empty()) bad_input("--out: give a folder");
  static_cast<void>(checkpoint.config());
  // Everything small is written and removed again: what can't be is better known before the search than after it.
  const StagedFolder trial(options.out, options.force);
  checkpoint.write_companions(trial.path());
}

ExportSize export_size(const Checkpoint& checkpoint, const ExportOptions& options) {
  ExportSize size{0, 0};
  for (const Transfer& transfer : plan_transfers(checkpoint, options)) {
    size.parameters += checkpoint.tensor(transfer.source).elements();
    size.bytes += transfer.layout.bytes();
  }
  return size;
}

void write_pruned_checkpoint(const Checkpoint& checkpoint, const ExportOptions& options,
                             const std::vector<NamedText>& extra, Progress& progress) {
  StagedFolder staged(options.out, options.force);
  const auto kept = kept_blocks(checkpoint.spec().num_blocks, options.removal_list);
  const auto type = chosen_type(options.out_dtype);
  const std::string dtype = type ? dtype_name(*type) : checkpoint.is_gguf() ? "bfloat16" : "";
  const OrderedJson config = prune_config(checkpoint.config(), kept, dtype);
  write_file_atomically(staged.path() / "config.json", config.dump(2) + "\n");
  checkpoint.write_companions(staged.path());
  write_weights(checkpoint, options, staged.path(), progress);
  for (const NamedText& text : extra) write_file_atomically(staged.path() / text.name, text.content);
  staged.commit();
}

}  // namespace sleb
