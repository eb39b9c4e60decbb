#include "sleb/export/gguf/converted_gguf.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "sleb/base/error.h"
#include "sleb/checkpoint/configuration/gguf_spec.h"
#include "sleb/checkpoint/expert_stacks.h"
#include "sleb/checkpoint/families.h"
#include "sleb/checkpoint/formats/encode.h"
#include "sleb/checkpoint/gguf_tensors.h"
#include "sleb/checkpoint/packed/split_key_values.h"
#include "sleb/export/gguf/model_metadata.h"
#include "sleb/export/gguf/pruned_metadata.h"
#include "sleb/export/gguf/same_model.h"
#include "sleb/export/pruned_config.h"
#include "sleb/text/gguf_from_folder.h"

namespace sleb {
namespace {
namespace fs = std::filesystem;

// A tensor of the new file, and of what it is made: one tensor or half of it, one for each head or expert, or values.
struct Source {
  std::vector<std::string> names;
  std::vector<float> values;
  std::optional<KeyOrValue> half = {};  // of the one tensor
};

struct Tensors {
  std::vector<TensorLayout> layout;
  std::vector<Source> sources;

  void add(TensorLayout tensor, Source source) {
    layout.push_back(std::move(tensor));
    sources.push_back(std::move(source));
  }
};

// llama.cpp's graphs of these architectures have no windows, whatever the metadata say (docs/reference.md, "The pruned
// GGUF"); "": the model has none, or they are computed.
std::string windows_unread(const ModelSpec& spec, std::string_view architecture) {
  constexpr std::array<std::string_view, 4> without_windows = {"phi3", "qwen2", "qwen3", "starcoder2"};
  const bool has_windows = std::ranges::any_of(spec.sliding_windows, [](int64_t window) { return window > 0; });
  if (!has_windows || std::ranges::find(without_windows, architecture) == without_windows.end()) return "";
  return fmt::format(
      "llama.cpp gives {} models no windows, and so computes something else of texts of more than {} "
      "tokens",
      architecture, *std::ranges::max_element(spec.sliding_windows));
}

// llama.cpp's ramp of yarn begins and ends at whole pairs in every model (ggml.c, ggml_rope_yarn_corr_dims).
std::string ramp_rounded(const ModelSpec& spec) {
  const bool is_exact = std::ranges::any_of(
      spec.ropes, [](const RopeSpec& rope) { return rope.scaling == RopeSpec::Scaling::yarn && !rope.truncate; });
  if (!is_exact) return "";
  return "llama.cpp rounds the ends of yarn's ramp to whole pairs of dimensions, as this model does not (truncate: "
         "false), and so computes something else";
}

// llama.cpp compares groups of experts by their two best, DeepSeek V2 by the best one (src/llama-graph.cpp).
std::string groups_by_two(const ModelSpec& spec, std::string_view architecture) {
  const bool has_groups = architecture == "deepseek2" && spec.experts.groups > 1;
  if (!has_groups || spec.experts.group_terms == 2) return "";
  return "llama.cpp chooses groups of experts by their two best scores, this model by the best, and so computes "
         "something else";
}

std::string query_latent_unread(const ModelSpec& spec, const GgufArchitecture& architecture) {
  const bool has_latent = architecture.latent_as_one_key && spec.latent.query_size > 0;
  if (!has_latent || !is_taken_for_lite(spec.num_blocks, spec.vocabulary_size)) return "";
  return "attention.q_lora_rank " + lite_warning(spec.num_blocks);
}

const Family& family_of(const Checkpoint& checkpoint) {
  const Family& family = *find_family(checkpoint.spec().family);
  const std::string path = checkpoint.path().string();
  if (family.gguf_architecture.empty()) {
    bad_input("{}: no GGUF architecture is known here for {} models; give a folder as --out", path, family.model_type);
  }
  if (checkpoint.spec().is_multimodal) {
    bad_input(
        "{}: has other parts beside the language model, which go into a file of their own in GGUF; give a folder "
        "as --out",
        path);
  }
  if (!checkpoint.spec().has_all_halves()) {
    bad_input("{}: some of its blocks lack one half, which a GGUF can't say; give a folder as --out", path);
  }
  const auto& dense = checkpoint.spec().dense_blocks;
  const bool are_leading = dense.empty() || dense.back() + 1 == std::ssize(dense);
  if (!are_leading || (!dense.empty() && !find_gguf_architecture(family.gguf_architecture).says_routing)) {
    bad_input("{}: a {} GGUF can't express which blocks have experts and which an MLP; give a folder as --out", path,
              family.gguf_architecture);
  }
  const PartNames& parts = checkpoint.spec().names.parts;
  if (find_gguf_architecture(family.gguf_architecture).pairs_side_by_side && parts[Part::query] == parts[Part::key]) {
    bad_input("{}: how a GGUF holds {}'s queries, keys and values is not known here; give a folder as --out", path,
              family.model_type);
  }
  return family;
}

// A stored tensor's name in the new file, by its name with "*" in the place of a head's number.
std::map<std::string, std::string> gguf_names(const GgufArchitecture& architecture, const ModelSpec& spec) {
  std::map<std::string, std::string> names;
  for (const auto& [own, name] : hugging_face_names(architecture, spec)) {
    if (!own.starts_with("blk.")) names.emplace(name, own);
  }
  for (int64_t block = 0; block < spec.num_blocks; ++block) {
    for (const Part part : all_parts) {
      if (!spec.has_weight(block, part)) continue;
      for (const auto& [own, name] : gguf_tensor_names(architecture, spec, block, part)) names.emplace(name, own);
    }
  }
  return names;
}

// "mlp.experts.*.up_proj.weight" for that of expert 3: the name of one of several that become one tensor.
struct OneOfSeveral {
  std::string name;
  int64_t number;
};

// Nothing where no such name is known.
std::optional<OneOfSeveral> one_of_several(const std::map<std::string, std::string>& names, const std::string& name) {
  constexpr std::string_view digits = "0123456789";
  for (size_t begin = name.find('.'); begin != name.npos; begin = name.find('.', begin + 1)) {
    const size_t end = std::min(name.find_first_not_of(digits, begin + 1), name.size());
    if (end == begin + 1 || end == name.size() || name[end] != '.') continue;
    std::string starred = name.substr(0, begin + 1) + "*" + name.substr(end);
    int64_t number = -1;  // stays so for one too large
    std::from_chars(name.data() + begin + 1, name.data() + end, number);
    if (number >= 0 && names.contains(starred)) return OneOfSeveral{std::move(starred), number};
  }
  return {};
}

// conversion/base.py, prepare_tensors.
StoredType stored_type(const TensorLayout& tensor, StoredType matrix) {
  constexpr std::array<std::string_view, 4> plain = {"_norm.weight", ".ffn_gate_inp.weight",
                                                     ".ffn_gate_inp_shexp.weight", "position_embd.weight"};
  const bool is_matrix =
      tensor.shape.size() > 1 && tensor.name.ends_with(".weight") &&
      std::ranges::none_of(plain, [&](std::string_view ending) { return tensor.name.ends_with(ending); });
  if (!is_matrix) return StoredType::f32;
  return tensor.shape.back() % elements_per_block(matrix) == 0 ? matrix : StoredType::f16;
}

// rope_freqs.weight and rope_factors_*.weight.
void add_rope_tensors(const ModelSpec& spec, Tensors& tensors) {
  const auto add = [&](const char* name, const std::vector<float>& values) {
    if (!values.empty()) tensors.add({name, StoredType::f32, {std::ssize(values)}}, {{}, values});
  };
  if (spec.ropes.empty()) return;
  const std::vector<double> divisors = divisors_of(spec.ropes[0]);
  add("rope_freqs.weight", {divisors.begin(), divisors.end()});
  add("rope_factors_long.weight", spec.ropes[0].long_divisors);
  add("rope_factors_short.weight", spec.ropes[0].short_divisors);
}

// "model.layers.3..." is "blk.2..." without block 2.
std::string renumbered(const std::string& name, int64_t block, int64_t place) {
  const std::string old = fmt::format("blk.{}.", block);
  return fmt::format("blk.{}.{}", place, name.substr(old.size()));
}

using StackPlaces = std::map<std::string, PlaceInStack>;

// Of a matrix by its name in the folder.
StoredType type_of_matrix(const StackPlaces& stacks, const std::string& name, const MatrixType& type) {
  const auto place = stacks.find(name);
  return type(place == stacks.end() ? name : place->second.stack);
}

ModelSpec as_in_gguf(const ModelSpec& spec) {
  return spec.experts.stacked ? with_experts_apart(spec) : spec;
}

StackPlaces stacks_of(const ModelSpec& spec) {
  return spec.experts.stacked ? places_in_stacks(spec) : StackPlaces();
}

// kv_b_proj as two.
void add_split(const ModelSpec& spec, const TensorLayout& joined, const std::string& name, StoredType matrix,
               Tensors& tensors) {
  for (const KeyOrValue half : keys_and_values) {
    TensorLayout tensor{joined.name, StoredType::f32, split_shape(spec, half)};
    tensor.name.replace(tensor.name.find(joined_key_values), joined_key_values.size(), split_name(half));
    tensor.type = stored_type(tensor, matrix);
    tensors.add(std::move(tensor), {{name}, {}, half});
  }
}

Tensors plan_tensors(const Checkpoint& checkpoint, const GgufArchitecture& architecture,
                     const std::vector<int64_t>& kept, const MatrixType& type) {
  const ModelSpec spec = as_in_gguf(checkpoint.spec());
  const StackPlaces stacks = stacks_of(checkpoint.spec());
  const auto names = gguf_names(architecture, spec);
  Tensors tensors;
  add_rope_tensors(spec, tensors);
  std::map<std::string, size_t> places;  // of those that are made of several
  for (const auto& [name, shape] : spec.tensors()) {
    auto found = names.find(name);
    const auto one = found == names.end() ? one_of_several(names, name) : std::nullopt;
    if (one) found = names.find(one->name);
    if (found == names.end()) {
      bad_input("{}: tensor '{}' has no name in a GGUF", checkpoint.path().string(), name);
    }
    std::string own = found->second;
    if (const auto block = block_of(spec, name)) {
      const auto place = std::ranges::find(kept, *block);
      if (place == kept.end()) continue;
      own = renumbered(own, *block, place - kept.begin());
    }
    TensorLayout tensor{own, StoredType::f32, converted_shape(spec, name, shape)};
    if (one) tensor.shape.insert(tensor.shape.begin(), 0);
    tensor.type = stored_type(tensor, type_of_matrix(stacks, name, type));
    if (architecture.latent_as_one_key && own.find(joined_key_values) != own.npos) {
      add_split(spec, tensor, name, type(name), tensors);
      continue;
    }
    if (!one) {
      tensors.add(std::move(tensor), {{name}, {}});
      continue;
    }
    const auto [place, is_new] = places.emplace(own, tensors.layout.size());
    if (is_new) tensors.add(std::move(tensor), {});
    std::vector<std::string>& several = tensors.sources[place->second].names;
    several.resize(std::max(several.size(), static_cast<size_t>(one->number) + 1));
    several[static_cast<size_t>(one->number)] = name;
    tensors.layout[place->second].shape[0] = std::ssize(several);
  }
  return tensors;
}

// Row by row.
std::vector<float> part_of_stack(const Checkpoint& checkpoint, const PlaceInStack& place) {
  const std::vector<int64_t>& shape = checkpoint.tensor(place.stack).shape;
  std::vector<float> of_expert(static_cast<size_t>(checkpoint.tensor(place.stack).elements() / shape[0]));
  checkpoint.read_one(place.stack, place.expert, of_expert);
  std::vector<float> part(of_expert.size() / static_cast<size_t>(place.turns));
  take_from_stack(of_expert, place, shape.back() / place.turns, part);
  return part;
}

void write_part_of_stack(const Checkpoint& checkpoint, const PlaceInStack& place, StoredType type, GgufWriter& writer) {
  const PackedWeight* packed = checkpoint.packed(place.stack);
  if (packed != nullptr && packed->gguf_type() == type) {
    writer.write(packed->gguf_blocks(place.expert, place.turn, place.turns));
  } else {
    writer.write(encode(type, part_of_stack(checkpoint, place)));
  }
}

void write_source(const Checkpoint& checkpoint, const GgufArchitecture& architecture, const StackPlaces& stacks,
                  const Source& source, StoredType type, GgufWriter& writer) {
  if (source.names.empty()) writer.write(encode(type, source.values));
  for (const std::string& name : source.names) {
    if (const auto place = stacks.find(name); place != stacks.end()) {
      write_part_of_stack(checkpoint, place->second, type, writer);
      continue;
    }
    const StoredTensor& stored = checkpoint.tensor(name);
    std::vector<float> values(static_cast<size_t>(stored.elements()));
    checkpoint.read(name, values);
    convert(architecture, checkpoint.spec(), name, stored.shape, values);
    if (source.half) values = split_values(checkpoint.spec(), *source.half, values);
    writer.write(encode(type, values));
    checkpoint.release(name);
  }
}

// As a reader will see the file. Only what it reads of rope is there to be read.
GgufFile as_read(const GgufEntries& entries, const Tensors& tensors, const std::string& label) {
  std::map<std::string, StoredTensor> seen;
  for (size_t i = 0; i < tensors.layout.size(); ++i) {
    const auto& [name, type, shape] = tensors.layout[i];
    seen.emplace(name, StoredTensor{name, type, shape, std::as_bytes(std::span(tensors.sources[i].values))});
  }
  return {label, decode(entries, label), std::move(seen)};
}

// llama_ftype: by the type of most of the matrices.
std::optional<uint32_t> file_type(const Tensors& tensors) {
  std::map<StoredType, uint64_t> bytes;
  for (const TensorLayout& tensor : tensors.layout) {
    if (tensor.shape.size() > 1) bytes[tensor.type] += tensor.bytes();
  }
  if (bytes.empty()) return {};
  const auto most = std::ranges::max_element(bytes, {}, [](const auto& entry) { return entry.second; })->first;
  switch (most) {
    case StoredType::f32:
      return 0;
    case StoredType::f16:
      return 1;
    case StoredType::q8_0:
      return 7;
    case StoredType::bf16:
      return 32;
    default:
      return {};
  }
}

std::string model_name(const Checkpoint& checkpoint, const GgufRecord& record, size_t kept) {
  const std::string source = record.source.empty() ? checkpoint.path().filename().string() : record.source;
  const std::string name = source.substr(source.rfind('/') + 1);  // of "org/name"
  const int64_t blocks = checkpoint.spec().num_blocks;
  return static_cast<int64_t>(kept) == blocks ? name : fmt::format("{} ({} of {} blocks)", name, kept, blocks);
}

bool has_tokenizer(const fs::path& folder) {
  std::error_code ignored;
  return std::ranges::any_of(std::array{"tokenizer.json", "tokenizer.model", "vocab.json"},
                             [&](const char* name) { return fs::exists(folder / name, ignored); });
}

}  // namespace

PrunedGguf convert_to_gguf(const Checkpoint& checkpoint, const GgufRecord& record, const MatrixType& type) {
  const Family& family = family_of(checkpoint);
  const GgufArchitecture& architecture = find_gguf_architecture(family.gguf_architecture);
  const std::vector<int64_t> kept = kept_blocks(checkpoint.spec().num_blocks, record.removed_blocks);
  const ModelSpec spec = with_blocks(checkpoint.spec(), kept);
  const std::string label = checkpoint.path().string();
  checkpoint.check_scales();
  Tensors tensors = plan_tensors(checkpoint, architecture, kept, type);
  PrunedGguf converted{{{}, tensors.layout, 32, {}}, {}};
  GgufEntries& entries = converted.content.entries;
  set(entries, "general.architecture", gguf_value::string(family.gguf_architecture));
  set(entries, "general.type", gguf_value::string("model"));
  set(entries, "general.name", gguf_value::string(model_name(checkpoint, record, kept.size())));
  if (const auto number = file_type(tensors)) set(entries, "general.file_type", gguf_value::u32(*number));
  set(entries, "general.quantization_version", gguf_value::u32(2));
  add_model(entries, spec, family);
  const std::string other = difference(spec, spec_from_gguf(as_read(entries, tensors, label)));
  if (!other.empty()) {
    bad_input("{}: a {} GGUF can't express {}; give a folder as --out", label, family.gguf_architecture, other);
  }
  if (has_tokenizer(checkpoint.path())) {
    add_vocabulary(entries, gguf_vocabulary_of_folder(checkpoint.path(), spec.vocabulary_size));
  } else {
    converted.warnings.push_back(fmt::format("{}: holds no tokenizer, and llama.cpp loads no GGUF without one", label));
  }
  for (const std::string& unlike :
       {windows_unread(spec, family.gguf_architecture), ramp_rounded(spec),
        groups_by_two(spec, family.gguf_architecture), query_latent_unread(spec, architecture)}) {
    if (!unlike.empty()) converted.warnings.push_back(fmt::format("{}: {}", label, unlike));
  }
  if (!checkpoint.other_names().empty()) {
    converted.warnings.push_back(fmt::format(
        "{}: what stands behind the model's blocks, to predict the token after the next, is left out", label));
  }
  add_record(entries, record, checkpoint.spec().num_blocks);
  converted.content.write = [&checkpoint, &architecture, tensors = std::move(tensors),
                             stacks = stacks_of(checkpoint.spec())](size_t i, GgufWriter& writer) {
    write_source(checkpoint, architecture, stacks, tensors.sources[i], tensors.layout[i].type, writer);
  };
  return converted;
}

std::vector<TensorLayout> converted_tensors(const Checkpoint& checkpoint, const std::vector<int64_t>& removed_blocks,
                                            const MatrixType& type) {
  const GgufArchitecture& architecture = find_gguf_architecture(family_of(checkpoint).gguf_architecture);
  return plan_tensors(checkpoint, architecture, kept_blocks(checkpoint.spec().num_blocks, removed_blocks), type).layout;
}

}  // namespace sleb
