#include "sleb/checkpoint/checkpoint.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <numeric>

#include "sleb/base/content_hash.h"
#include "sleb/base/error.h"
#include "sleb/checkpoint/companions.h"
#include "sleb/checkpoint/configuration/config_keys.h"
#include "sleb/checkpoint/configuration/gguf_spec.h"
#include "sleb/checkpoint/families.h"
#include "sleb/checkpoint/gguf_model.h"
#include "sleb/checkpoint/gguf_tensors.h"
#include "sleb/checkpoint/model_location.h"
#include "sleb/checkpoint/multimodal.h"
#include "sleb/checkpoint/packed/split_key_values.h"
#include "sleb/text/gguf_vocabulary.h"
#include "sleb/text/sources/folder_tokenizer.h"
#include "sleb/text/sources/json_tokenizer.h"

namespace sleb {
namespace fs = std::filesystem;
namespace {

std::string shape_text(const std::vector<int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

Tokenizer tokenizer_of(const GgufFile& file) {
  return Tokenizer::from_json(tokenizer_files(vocabulary_of(file)).tokenizer_json, file.label());
}

// Tensors that old checkpoints carry and transformers ignores, wherever they stand: constants that every library
// computes anew, and fairseq's format version.
bool is_ignored(const StoredTensor& tensor) {
  static constexpr std::string_view buffers[] = {"masked_bias", "causal_mask", "position_ids"};
  static constexpr std::string_view attentions[] = {"attn", "self_attn", "attention"};
  std::string_view rest = tensor.name;
  const auto take_last = [&] {
    const size_t point = rest.rfind('.');
    const std::string_view last = rest.substr(point == rest.npos ? 0 : point + 1);
    rest = point == rest.npos ? "" : rest.substr(0, point);
    return last;
  };
  const std::string_view name = take_last();
  const std::string_view owner = take_last();
  if (name == "version") return owner == "decoder";
  if (name == "inv_freq" || name == "cos_cached" || name == "sin_cached") return owner == "rotary_emb";
  // GPT-2's way to keep a causal mask: [1, 1, positions, positions].
  if (name == "bias") return std::ranges::find(attentions, owner) != std::end(attentions) && tensor.shape.size() == 4;
  return std::ranges::find(buffers, name) != std::end(buffers);
}

using Tensors = std::map<std::string, StoredTensor>;

// All tensors of a folder, integers too.
Tensors tensors_of(const SafetensorsReader& reader) {
  Tensors tensors = reader.tensors();
  tensors.insert(reader.integers().begin(), reader.integers().end());
  return tensors;
}

// The model without its head, saved alone, has names without the base's; transformers puts it in front where it is
// missing.
Tensors with_base_prefix(const Tensors& stored, const ModelSpec& spec, std::string_view label) {
  const std::string_view base_prefix = spec.names.base_prefix;
  std::set<std::string> modules;  // since scales and other parts of weights have names of their own
  for (const TensorShape& tensor : spec.tensors()) modules.insert(tensor.name.substr(0, tensor.name.rfind('.') + 1));
  const auto is_expected = [&](const std::string& name) {
    for (size_t end = name.find('.'); end != name.npos; end = name.find('.', end + 1)) {
      if (modules.contains(name.substr(0, end + 1))) return true;
    }
    return false;
  };
  Tensors tensors;
  for (const auto& [name, tensor] : stored) {
    const std::string longer = fmt::format("{}{}", base_prefix, name);
    const bool lacks_prefix = !base_prefix.empty() && !is_expected(name) && is_expected(longer);
    const auto [place, added] = tensors.emplace(lacks_prefix ? longer : name, tensor);
    if (!added) bad_input("{}: tensor '{}' is there twice, with and without \"{}\"", label, place->first, base_prefix);
  }
  return tensors;
}

// The language model's tensors under its family's names; those of other parts as they are, listed in `others`.
Tensors with_language_names(const Tensors& stored, std::vector<std::string>& others, std::string_view label) {
  Tensors tensors;
  for (const auto& [name, tensor] : stored) {
    const auto own = language_name(name);
    if (!own) others.push_back(name);
    const auto [place, added] = tensors.emplace(own.value_or(name), tensor);
    if (!added) bad_input("{}: tensor '{}' is there twice, under two names", label, place->first);
  }
  return tensors;
}

// Of two types, whose bytes can't be compared.
bool have_equal_values(const StoredTensor& one, const StoredTensor& other) {
  constexpr int64_t piece = 1 << 16;  // elements in memory at a time; whole blocks of every type
  std::vector<float> values(piece);
  std::vector<float> other_values(piece);
  const auto decode_piece = [](const StoredTensor& tensor, int64_t begin, std::span<float> out) {
    const auto bytes = encoded_bytes(tensor.type, static_cast<int64_t>(out.size()));
    decode(tensor.type, tensor.data.subspan(encoded_bytes(tensor.type, begin), bytes), out);
  };
  for (int64_t begin = 0; begin < one.elements(); begin += piece) {
    const auto count = static_cast<size_t>(std::min(piece, one.elements() - begin));
    decode_piece(one, begin, std::span(values).first(count));
    decode_piece(other, begin, std::span(other_values).first(count));
    if (!std::equal(values.begin(), values.begin() + static_cast<int64_t>(count), other_values.begin())) return false;
  }
  return true;
}

bool are_equal(const StoredTensor& one, const StoredTensor& other) {
  const bool equal = one.shape == other.shape && (one.type == other.type ? std::ranges::equal(one.data, other.data)
                                                                         : have_equal_values(one, other));
  release_pages(one.data);
  release_pages(other.data);
  return equal;
}

// A tied head and the embedding are one matrix, and files hold it under either name or under both. Where they hold two
// that differ, transformers 5 keeps both and warns (modeling_utils.py, tie_weights): so says the warning.
std::optional<std::string> keep_one_of_tied(Tensors& tensors, ModelSpec& spec, std::string_view label) {
  if (!spec.tied_head) return {};
  const std::string embedding_name = fmt::format("{}.weight", spec.names.embedding);
  const std::string head_name = fmt::format("{}.weight", spec.names.head);
  const auto head = tensors.find(head_name);
  if (head == tensors.end()) return {};
  const auto [embedding, embedding_absent] = tensors.emplace(embedding_name, head->second);
  if (!embedding_absent && !are_equal(embedding->second, head->second)) {
    spec.tied_head = false;
    return fmt::format(
        "{}: tensors '{}' and '{}' differ, though tie_word_embeddings says that they are one: both are used, as "
        "transformers 5 does; transformers 4 drops '{}'",
        label, embedding_name, head_name, head_name);
  }
  tensors.erase(head);
  return {};
}

// Row r of the result is row numbers[r].
template <typename Value>
void reorder_by_number(std::span<Value> values, std::span<const float> numbers) {
  const std::vector<Value> before(values.begin(), values.end());
  const size_t columns = values.size() / numbers.size();
  for (size_t row = 0; row < numbers.size(); ++row) {
    const auto source = static_cast<size_t>(numbers[row]) * columns;
    std::copy_n(before.begin() + static_cast<std::ptrdiff_t>(source), columns, values.subspan(row * columns).begin());
  }
}

}  // namespace

Checkpoint::Checkpoint(Checkpoint&&) noexcept = default;
Checkpoint::~Checkpoint() = default;

Checkpoint Checkpoint::open(const fs::path& given) {
  const auto [path, is_gguf] = locate_model(given);
  Checkpoint checkpoint;
  checkpoint.path_ = path;
  std::error_code ignored;
  if (!is_gguf) {
    const fs::path file = path / "config.json";
    checkpoint.config_text_ = read_file(file, uint64_t{64} << 20);
    const Json config = parse_json(checkpoint.config_text_, file.string());
    const JsonView view(config, file.string());
    checkpoint.spec_ = spec_from_config(view);
    checkpoint.safetensors_ = std::make_unique<SafetensorsReader>(SafetensorsReader::open_folder(path));
    const Tensors stored = tensors_of(*checkpoint.safetensors_);
    check_block_count(checkpoint.spec_, stored.size(), path.string());
    checkpoint.tensors_ = checkpoint.spec_.is_multimodal
                              ? with_language_names(stored, checkpoint.other_names_, path.string())
                              : with_base_prefix(stored, checkpoint.spec_, path.string());
    for (const auto& [name, tensor] : checkpoint.tensors_) {
      if (appended_block_of(checkpoint.spec_, name)) checkpoint.other_names_.push_back(name);
    }
    checkpoint.take_packed_weights(view);
    auto untied = keep_one_of_tied(checkpoint.tensors_, checkpoint.spec_, path.string());
    checkpoint.check_shapes();
    const JsonView own = checkpoint.spec_.is_multimodal ? view.at(text_config) : view;
    std::vector<std::string> warnings = config_warnings(own, *find_family(checkpoint.spec_.family));
    checkpoint.warnings_.insert(checkpoint.warnings_.end(), warnings.begin(), warnings.end());
    if (untied) checkpoint.warnings_.push_back(std::move(*untied));
    if (fs::exists(path / "tokenizer.json", ignored)) {
      if (auto warning = warning_of_json_folder(path)) checkpoint.warnings_.push_back(std::move(*warning));
    }
    if (tokenizer_names_own_code(path)) {
      checkpoint.warnings_.push_back(
          fmt::format("{}: auto_map names Python code of the tokenizer's own, which is not run; its ids may differ",
                      (path / "tokenizer_config.json").string()));
    }
    checkpoint.scales_ =
        find_weight_scales(checkpoint.tensors_, checkpoint.integers_, checkpoint.tensor_names(), view, path.string());
  } else {
    checkpoint.gguf_ = std::make_unique<GgufFile>(path);
    checkpoint.spec_ = spec_from_gguf(*checkpoint.gguf_);
    checkpoint.warnings_ = gguf_warnings(*checkpoint.gguf_);
    checkpoint.tensors_ = tensors_under_hugging_face_names(*checkpoint.gguf_, checkpoint.spec_);
    checkpoint.packed_ = find_split_key_values(*checkpoint.gguf_, checkpoint.spec_);
    checkpoint.check_shapes();
  }
  checkpoint.check_all_known();
  return checkpoint;
}

void Checkpoint::take_packed_weights(const JsonView& config) {
  PackedWeights found = find_packed_weights(tensors_, spec_, config, path_.string());
  for (const auto& [name, weight] : found.weights) {
    for (const StoredPart& part : weight->parts()) tensors_.erase(part.name);
  }
  for (const auto& [name, weight] : found.weights) {
    const auto [place, is_new] = tensors_.emplace(name, StoredTensor{name, StoredType::packed, weight->shape(), {}});
    if (!is_new) bad_input("{}: tensor {} is there packed and plain", path_.string(), quote(name));
  }
  packed_ = std::move(found.weights);
  warnings_ = std::move(found.warnings);
  const std::set<std::string> others(other_names_.begin(), other_names_.end());
  for (auto it = tensors_.begin(); it != tensors_.end();) {
    const bool is_buffer = is_integer(it->second.type) && !others.contains(it->first);
    if (is_buffer && is_part_of_packed(it->first) && block_of(spec_, it->first)) {
      bad_input("{}: tensor '{}' is part of no weight of this {} model", path_.string(), it->first, spec_.family);
    }
    if (is_buffer) integers_.insert(it->first);
    it = is_buffer ? tensors_.erase(it) : std::next(it);
  }
}

void Checkpoint::check_shapes() const {
  for (const auto& [name, shape] : spec_.tensors()) {
    const StoredTensor& stored = tensor(name);
    if (stored.shape != shape) {
      bad_input("{}: tensor '{}' has shape {}, the configuration needs {}", path_.string(), name,
                shape_text(stored.shape), shape_text(shape));
    }
  }
}

void Checkpoint::check_all_known() const {
  std::set<std::string> known;
  for (std::string& name : tensor_names()) known.insert(std::move(name));
  for (std::string& name : scale_names()) known.insert(std::move(name));
  known.insert(other_names_.begin(), other_names_.end());
  for (const auto& [name, stored] : tensors_) {
    if (known.contains(name) || is_ignored(stored)) continue;
    bad_input("{}: tensor '{}' is not part of this {} model of {} blocks; running without it would be wrong",
              path_.string(), name, spec_.family, spec_.num_blocks);
  }
}

uint64_t Checkpoint::file_bytes() const {
  return is_gguf() ? gguf_->file_bytes() : safetensors_->file_bytes();
}

std::vector<Bytes> Checkpoint::contents() const {
  return is_gguf() ? gguf_->contents() : safetensors_->contents();
}

std::string Checkpoint::fingerprint(Progress& progress) const {
  constexpr size_t piece = size_t{4} << 20;  // in memory at a time
  if (!fingerprint_.empty()) return fingerprint_;
  ContentHash hash;
  hash.add(config_text_);
  progress.begin("reading the model once, for its fingerprint", file_bytes() >> 20, "MiB");
  for (const Bytes content : contents()) {
    for (size_t begin = 0; begin < content.size(); begin += piece) {
      check_interrupt();
      const Bytes part = content.subspan(begin, std::min(piece, content.size() - begin));
      hash.add(part);
      release_pages(part);
      progress.advance(part.size() >> 20);
    }
  }
  progress.end();
  return fingerprint_ = hash.text();
}

const StoredTensor& Checkpoint::tensor(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end() && integers_.contains(name)) {
    bad_input("{}: tensor '{}' holds integers: a quantised form that is not known here", path_.string(), name);
  }
  if (found == tensors_.end()) bad_input("{}: tensor '{}' is missing", path_.string(), name);
  return found->second;
}

std::vector<std::string> Checkpoint::tensor_names() const {
  std::vector<std::string> names;
  for (TensorShape& tensor : spec_.tensors()) names.push_back(std::move(tensor.name));
  return names;
}

std::vector<std::string> Checkpoint::scale_names() const {
  std::vector<std::string> names;
  if (scales_.empty() && packed_.empty()) return names;
  for (const auto& [weight, scale] : scales_) names.push_back(scale.tensor.name);
  for (const auto& [name, stored] : tensors_) {
    if (is_activation_scale(name) && block_of(spec_, name)) names.push_back(name);
  }
  return names;
}

void Checkpoint::check_scales() const {
  for (const auto& [weight, scale] : scales_) sleb::check_scales(scale, path_.string());
  for (const auto& [name, weight] : packed_) weight->check();
}

const PackedWeight* Checkpoint::packed(const std::string& name) const {
  const auto found = packed_.find(name);
  return found == packed_.end() || replaced_.contains(name) ? nullptr : found->second.get();
}

std::vector<std::string> Checkpoint::replaced_packed_weights() const {
  std::vector<std::string> names;
  for (const std::string& name : replaced_) {
    if (packed_.contains(name)) names.push_back(name);
  }
  return names;
}

uint64_t Checkpoint::stored_bytes(const std::string& name) const {
  const PackedWeight* weight = packed(name);
  return weight != nullptr ? weight->stored_bytes() : tensor(name).data.size();
}

std::vector<std::pair<std::string, int64_t>> Checkpoint::stored_types() const {
  std::map<std::string, int64_t> elements;
  for (const std::string& name : tensor_names()) {
    const PackedWeight* weight = packed(name);
    const bool is_in_gguf = weight != nullptr && is_gguf();
    const std::string form = is_in_gguf ? weight->form()
                             : weight != nullptr
                                 ? fmt::format("{} (decoded to {})", weight->form(), name_of(weight->value_type()))
                                 : std::string(name_of(tensor(name).type));
    elements[form] += tensor(name).elements();
  }
  std::vector<std::pair<std::string, int64_t>> list(elements.begin(), elements.end());
  std::ranges::stable_sort(list, std::greater<>(), &std::pair<std::string, int64_t>::second);
  return list;
}

void Checkpoint::read(const std::string& name, std::span<float> out) const {
  if (const PackedWeight* weight = packed(name)) {
    const std::vector<int64_t>& shape = weight->shape();
    return weight->decode_rows(0, count_elements({shape.data(), shape.size() - 1}).value(), out);
  }
  const StoredTensor& stored = tensor(name);
  decode(stored.type, stored.data, out);
  if (replaced_.contains(name)) return;
  if (const auto scale = scales_.find(name); scale != scales_.end()) {
    apply_scales(scale->second, 0, stored.shape.back(), out, path_.string());
  }
  if (is_gguf()) undo_conversion(*gguf_, spec_, name, stored.shape, out);
}

int64_t Checkpoint::int4_group(const std::string& name) const {
  if (const PackedWeight* weight = packed(name)) return weight->int4_group();
  return spec_.transposed_matrices ? 0 : sleb::int4_group(tensor(name).type);
}

void Checkpoint::read_int4(const std::string& name, const Int4Rows& out) const {
  if (const PackedWeight* weight = packed(name)) return weight->read_int4(out);
  const StoredTensor& stored = tensor(name);
  sleb::read_int4(stored.type, stored.data, out);
  // The converter has moved whole rows; where to, it says of their numbers.
  const int64_t rows = stored.shape[0];
  std::vector<float> numbers(static_cast<size_t>(rows));
  std::iota(numbers.begin(), numbers.end(), 0.0F);
  const std::vector<float> before = numbers;
  undo_conversion(*gguf_, spec_, name, {rows, 1}, numbers);
  if (numbers != before) {
    reorder_by_number(out.codes, numbers);
    reorder_by_number(out.scales, numbers);
    reorder_by_number(out.offsets, numbers);
  }
}

void Checkpoint::replace(const std::string& name, StoredType type, Bytes data) {
  StoredTensor other = tensor(name);
  other.type = type;
  other.data = data;
  tensors_[name] = std::move(other);
  replaced_.insert(name);
}

void Checkpoint::read_rows(const std::string& name, std::span<const int64_t> rows, std::span<float> out) const {
  const StoredTensor& stored = tensor(name);
  const auto columns = static_cast<size_t>(stored.shape[1]);
  if (const PackedWeight* weight = packed(name)) {
    for (size_t i = 0; i < rows.size(); ++i) weight->decode_rows(rows[i], 1, out.subspan(i * columns, columns));
    return;
  }
  const size_t row_bytes = stored.data.size() / static_cast<size_t>(stored.shape[0]);
  const auto scale = scales_.find(name);
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto row = out.subspan(i * columns, columns);
    decode(stored.type, stored.data.subspan(static_cast<size_t>(rows[i]) * row_bytes, row_bytes), row);
    if (scale != scales_.end()) apply_scales(scale->second, rows[i], stored.shape[1], row, path_.string());
  }
}

void Checkpoint::read_one(const std::string& name, int64_t place, std::span<float> out) const {
  const StoredTensor& stored = tensor(name);
  const int64_t rows = stored.elements() / stored.shape[0] / stored.shape.back();
  if (const PackedWeight* weight = packed(name)) return weight->decode_rows(place * rows, rows, out);
  const size_t bytes = stored.data.size() / static_cast<size_t>(stored.shape[0]);
  decode(stored.type, stored.data.subspan(static_cast<size_t>(place) * bytes, bytes), out);
  if (const auto scale = scales_.find(name); scale != scales_.end() && !replaced_.contains(name)) {
    apply_scales(scale->second, place * rows, stored.shape.back(), out, path_.string());
  }
}

void Checkpoint::release(const std::string& name) const {
  const PackedWeight* weight = packed(name);
  if (weight == nullptr) return release_pages(tensor(name).data);
  for (const StoredPart& part : weight->parts()) release_pages(part.tensor.data);
}

OrderedJson Checkpoint::config() const {
  if (is_gguf()) return config_from_gguf(*gguf_, spec_);
  const std::string label = (path_ / "config.json").string();
  OrderedJson config = parse_ordered_json(config_text_, label);
  const Json said = parse_json(config_text_, label);
  // Of two matrices where the configuration says one.
  if (spec_from_config(JsonView(said, label)).tied_head != spec_.tied_head) config["tie_word_embeddings"] = false;
  return config;
}

Tokenizer Checkpoint::tokenizer() const {
  return is_gguf() ? tokenizer_of(*gguf_) : tokenizer_of_folder(path_);
}

std::optional<ChatTemplate> Checkpoint::chat_template() const {
  if (!is_gguf()) return chat_template_of_folder(path_);
  return chat_template_of_config(tokenizer_files(vocabulary_of(*gguf_)).tokenizer_config_json, gguf_->label());
}

std::vector<int64_t> Checkpoint::stop_ids() const {
  const fs::path settings = path_ / "generation_config.json";
  std::error_code ignored;
  std::vector<std::pair<std::string, std::string>> files;  // labels and contents, the first that has ids counts
  if (is_gguf()) {
    files.emplace_back(gguf_->label(), generation_config_from_gguf(*gguf_));
  } else {
    if (fs::exists(settings, ignored)) files.emplace_back(settings.string(), read_file(settings));
    files.emplace_back((path_ / "config.json").string(), config_text_);
  }
  for (const auto& [label, text] : files) {
    const Json document = parse_json(text, label);
    const auto ids = JsonView(document, label).find("eos_token_id");
    if (!ids) continue;
    const int64_t most = spec_.vocabulary_size - 1;
    if (!ids->is_array()) return {ids->integer(0, most)};
    std::vector<int64_t> all;
    for (size_t i = 0; i < ids->size(); ++i) all.push_back(ids->at(i).integer(0, most));
    return all;
  }
  return {};
}

namespace {

// Of "model.layers.NUMBER.", whatever follows.
std::optional<int64_t> number_of_block(const ModelSpec& spec, std::string_view name) {
  if (!name.starts_with(spec.names.block_prefix)) return {};
  name.remove_prefix(spec.names.block_prefix.size());
  int64_t block = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), block);
  const bool is_number = error == std::errc() && end != name.data() + name.size() && *end == '.';
  if (!is_number || block < 0) return {};
  return block;
}

}  // namespace

std::optional<int64_t> block_of(const ModelSpec& spec, std::string_view name) {
  const auto number = number_of_block(spec, name);
  return number && *number < spec.num_blocks ? number : std::nullopt;
}

std::optional<int64_t> appended_block_of(const ModelSpec& spec, std::string_view name) {
  const int64_t place = number_of_block(spec, name).value_or(0) - spec.num_blocks;
  return place >= 0 && place < spec.appended_blocks ? std::optional(place) : std::nullopt;
}

Tokenizer load_tokenizer(const fs::path& given, Progress& progress) {
  std::error_code ignored;
  const bool is_file = fs::is_regular_file(given, ignored);
  if (is_file && !is_gguf_file(given) && !has_gguf_ending(given)) return Tokenizer::from_file(given);
  const auto [path, is_gguf] = locate_model(given);
  if (!is_gguf) return tokenizer_of_folder(path);
  const GgufFile file(path);
  if (const auto warning = gguf_tokenizer_warning(file)) progress.note(fmt::format("warning: {}", *warning));
  return tokenizer_of(file);
}

void Checkpoint::write_companions(const fs::path& folder) const {
  if (is_gguf()) {
    const TokenizerFiles files = tokenizer_files(vocabulary_of(*gguf_));
    write_file_atomically(folder / "tokenizer.json", files.tokenizer_json);
    write_file_atomically(folder / "tokenizer_config.json", files.tokenizer_config_json);
    write_file_atomically(folder / "generation_config.json", generation_config_from_gguf(*gguf_));
    return;
  }
  copy_companions(path_, folder);
}

}  // namespace sleb
