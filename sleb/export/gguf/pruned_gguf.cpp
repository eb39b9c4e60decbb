#include "sleb/export/gguf/pruned_gguf.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <utility>

#include "sleb/base/error.h"
#include "sleb/checkpoint/configuration/gguf_spec.h"
#include "sleb/checkpoint/formats/encode.h"
#include "sleb/checkpoint/gguf_tensors.h"
#include "sleb/export/gguf/pruned_metadata.h"
#include "sleb/export/gguf/same_model.h"
#include "sleb/export/pruned_config.h"

namespace sleb {
namespace {

constexpr std::string_view block_prefix = "blk.";
constexpr size_t piece = size_t{4} << 20;  // of a mapped tensor in memory at a time

// A tensor of the new file: the old one's bytes, or values.
struct KeptTensor {
  const StoredTensor* stored;
  // Hugging Face's names of the tensors that it consists of, where one of them has been replaced; none: the bytes stay.
  std::vector<std::string> values;
};

// Of the tensor with that Hugging Face name: itself, or where the name has a "*", one for each head or expert.
std::vector<std::string> parts_of(const std::string& name, const StoredTensor& stored) {
  const size_t star = name.find('*');
  if (star == name.npos) return {name};
  std::vector<std::string> parts;
  for (int64_t i = 0; i < stored.shape[0]; ++i) parts.push_back(std::string(name).replace(star, 1, std::to_string(i)));
  return parts;
}

// "blk.3.ffn_up.weight" without block 2 is "blk.2.ffn_up.weight". Nothing for a tensor of a block that is gone. Blocks
// behind the model's stay behind them.
std::optional<std::string> new_name(const std::string& name, const std::vector<int64_t>& kept, int64_t num_blocks) {
  if (!name.starts_with(block_prefix)) return name;
  int64_t block = 0;
  const char* const begin = name.data() + block_prefix.size();
  const auto [end, error] = std::from_chars(begin, name.data() + name.size(), block);
  if (error != std::errc()) return name;
  if (block >= num_blocks) return fmt::format("{}{}{}", block_prefix, std::ssize(kept) + block - num_blocks, end);
  const auto place = std::ranges::find(kept, block);
  if (place == kept.end()) return {};
  return fmt::format("{}{}{}", block_prefix, place - kept.begin(), end);
}

void write_mapped(Bytes data, GgufWriter& writer) {
  for (size_t begin = 0; begin < data.size(); begin += piece) {
    check_interrupt();
    const Bytes part = data.subspan(begin, std::min(piece, data.size() - begin));
    writer.write(part);
    release_pages(part);
  }
}

void write_values(const Checkpoint& checkpoint, const GgufArchitecture& architecture, const std::string& name,
                  StoredType type, GgufWriter& writer) {
  const StoredTensor& tensor = checkpoint.tensor(name);
  std::vector<float> values(static_cast<size_t>(tensor.elements()));
  checkpoint.read(name, values);
  convert(architecture, checkpoint.spec(), name, tensor.shape, values);
  writer.write(encode(type, values));
  checkpoint.release(name);
}

// As a reader will see the file: the tensors' data are the old ones'.
GgufFile as_read(const GgufContent& content, const std::vector<KeptTensor>& sources, const std::string& label) {
  std::map<std::string, StoredTensor> tensors;
  for (size_t i = 0; i < content.tensors.size(); ++i) {
    StoredTensor tensor = *sources[i].stored;
    tensor.name = content.tensors[i].name;
    tensors.emplace(tensor.name, std::move(tensor));
  }
  return {label, decode(content.entries, label), std::move(tensors)};
}

}  // namespace

void add_record(GgufEntries& entries, const GgufRecord& record, int64_t num_blocks) {
  set(entries, "sleb.version", gguf_value::string(SLEB_VERSION));
  set(entries, "sleb.source", gguf_value::string(record.source));
  set(entries, "sleb.source_block_count", gguf_value::u32(static_cast<uint32_t>(num_blocks)));
  set(entries, "sleb.removed_blocks", gguf_value::i32s(record.removed_blocks));
}

PrunedGguf prune_gguf(const Checkpoint& checkpoint, const GgufRecord& record) {
  const GgufFile& file = *checkpoint.gguf();
  const ModelSpec& spec = checkpoint.spec();
  const std::vector<int64_t> kept = kept_blocks(spec.num_blocks, record.removed_blocks);
  const GgufArchitecture& architecture = find_gguf_architecture(file.string("general.architecture"));
  const auto names = hugging_face_names(architecture, spec);
  PrunedGgufMetadata metadata = prune_gguf_metadata(file, spec, kept);
  PrunedGguf pruned{{std::move(metadata.entries), {}, alignment_of(file.metadata(), file.label()), {}},
                    std::move(metadata.warnings)};
  std::vector<KeptTensor> sources;
  std::vector<std::string> repaired;
  for (const std::string& name : file.tensor_names()) {
    const auto own_name = new_name(name, kept, spec.num_blocks);
    if (!own_name) continue;
    const StoredTensor& stored = file.tensors().at(name);
    const auto found = names.find(name);
    const auto parts = found == names.end() ? std::vector<std::string>() : parts_of(found->second, stored);
    const auto replaced = std::ranges::find_if(parts, [&](const auto& part) { return checkpoint.is_replaced(part); });
    const bool is_replaced = replaced != parts.end();
    // All experts have one type.
    const StoredType type = is_replaced ? checkpoint.tensor(*replaced).type : stored.type;
    sources.push_back({&stored, is_replaced ? parts : std::vector<std::string>()});
    pruned.content.tensors.push_back({*own_name, type, stored.shape});
    if (is_replaced) repaired.push_back(*own_name);
  }
  const std::string other =
      difference(with_blocks(spec, kept), spec_from_gguf(as_read(pruned.content, sources, file.label())));
  if (!other.empty()) {
    bad_input(
        "{}: {} GGUFs tell by the blocks' numbers: {}. Without these blocks the file would be read as another model; "
        "give a folder as --out",
        file.label(), file.string("general.architecture"), other);
  }
  add_record(pruned.content.entries, record, spec.num_blocks);
  if (!repaired.empty()) set(pruned.content.entries, "sleb.repaired_tensors", gguf_value::strings(repaired));
  pruned.content.write = [&checkpoint, &architecture, sources, tensors = pruned.content.tensors](size_t i,
                                                                                                 GgufWriter& writer) {
    if (sources[i].values.empty()) write_mapped(sources[i].stored->data, writer);
    for (const std::string& name : sources[i].values) {
      write_values(checkpoint, architecture, name, tensors[i].type, writer);
    }
  };
  return pruned;
}

}  // namespace sleb
