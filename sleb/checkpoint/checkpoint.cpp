#include "sleb/checkpoint/checkpoint.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>

#include "sleb/base/containment.h"
#include "sleb/base/error.h"
#include "sleb/checkpoint/families.h"
#include "sleb/checkpoint/gguf_model.h"
#include "sleb/text/gguf_vocabulary.h"
#include "sleb/text/sources/folder_tokenizer.h"

namespace sleb {
namespace fs = std::filesystem;
namespace {

// What belongs to a model beside weights and config.json, as transformers and its tokenizers name it.
constexpr std::string_view companion_files[] = {"tokenizer.json",
                                                "tokenizer_config.json",
                                                "special_tokens_map.json",
                                                "added_tokens.json",
                                                "vocab.json",
                                                "merges.txt",
                                                "vocab.txt",
                                                "tokenizer.model",
                                                "spiece.model",
                                                "tiktoken.model",
                                                "tekken.json",
                                                "chat_template.jinja",
                                                "chat_template.json",
                                                "generation_config.json"};
constexpr std::string_view chat_template_folder = "additional_chat_templates";  // files *.jinja

// The companion files that are there, as paths below the folder.
std::vector<fs::path> companions_of(const fs::path& folder) {
  std::vector<fs::path> names;
  std::error_code ignored;
  for (const std::string_view name : companion_files) {
    if (fs::is_regular_file(folder / name, ignored)) names.emplace_back(name);
  }
  for (const auto& entry : fs::directory_iterator(folder / chat_template_folder, ignored)) {
    if (entry.path().extension() == ".jinja") names.push_back(chat_template_folder / entry.path().filename());
  }
  return names;
}

std::string shape_text(const std::vector<int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

Tokenizer tokenizer_of(const GgufFile& file) {
  return Tokenizer::from_json(tokenizer_files(vocabulary_of(file)).tokenizer_json, file.label());
}

std::string_view trim(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

// Tensors that old checkpoints carry and transformers ignores: constants that every library computes anew.
bool is_ignored(std::string_view name) {
  return name.ends_with("rotary_emb.inv_freq");
}

std::vector<std::pair<std::string, std::vector<int64_t>>> expected_tensors(const ModelSpec& spec) {
  std::vector<std::pair<std::string, std::vector<int64_t>>> list;
  const std::vector<int64_t> vocabulary_matrix = {spec.vocabulary_size, spec.hidden_size};
  list.emplace_back(fmt::format("{}.weight", spec.names->embedding), vocabulary_matrix);
  for (int64_t block = 0; block < spec.num_blocks; ++block) {
    for (const Part part : all_parts) {
      const auto shape = spec.part_shape(part);
      list.emplace_back(spec.part_name(block, part) + ".weight", shape);
      if (spec.has_bias(part)) list.emplace_back(spec.part_name(block, part) + ".bias", std::vector{shape[0]});
    }
  }
  list.emplace_back(fmt::format("{}.weight", spec.names->final_norm), std::vector{spec.hidden_size});
  if (!spec.tied_head) list.emplace_back(fmt::format("{}.weight", spec.names->head), vocabulary_matrix);
  return list;
}

}  // namespace

Checkpoint::Checkpoint(Checkpoint&&) noexcept = default;
Checkpoint::~Checkpoint() = default;

Checkpoint Checkpoint::open(const fs::path& path) {
  Checkpoint checkpoint;
  checkpoint.path_ = path;
  std::error_code ignored;
  if (!fs::exists(path, ignored)) {
    bad_input("{}: no such model; give a checkpoint folder or a .gguf file", path.string());
  }
  if (fs::is_directory(path, ignored)) {
    const fs::path file = path / "config.json";
    checkpoint.config_text_ = read_file(file, uint64_t{64} << 20);
    const Json config = parse_json(checkpoint.config_text_, file.string());
    checkpoint.spec_ = spec_from_config(JsonView(config, file.string()));
    checkpoint.safetensors_ = std::make_unique<SafetensorsReader>(SafetensorsReader::open_folder(path));
    check_block_count(checkpoint.spec_, checkpoint.safetensors_->tensors().size(), path.string());
  } else if (path.extension() == ".gguf") {
    checkpoint.gguf_ = std::make_unique<GgufFile>(path);
    checkpoint.spec_ = spec_from_gguf(*checkpoint.gguf_);
    checkpoint.gguf_tensors_ = tensors_under_hugging_face_names(*checkpoint.gguf_, checkpoint.spec_);
  } else {
    bad_input("{}: not a model; give a checkpoint folder or a .gguf file", path.string());
  }
  checkpoint.check_tensors();
  return checkpoint;
}

void Checkpoint::check_tensors() const {
  const auto& present = is_gguf() ? gguf_tensors_ : safetensors_->tensors();
  std::set<std::string> expected;
  for (const auto& [name, shape] : expected_tensors(spec_)) {
    const StoredTensor& stored = tensor(name);
    if (stored.shape != shape) {
      bad_input("{}: tensor '{}' has shape {}, the configuration needs {}", path_.string(), name,
                shape_text(stored.shape), shape_text(shape));
    }
    expected.insert(name);
  }
  for (const auto& [name, stored] : present) {
    const bool redundant_head = spec_.tied_head && name == fmt::format("{}.weight", spec_.names->head);
    if (expected.contains(name) || redundant_head || is_ignored(name)) continue;
    bad_input("{}: tensor '{}' is not part of a {} model of {} blocks; running without it would be wrong",
              path_.string(), name, spec_.family, spec_.num_blocks);
  }
}

uint64_t Checkpoint::file_bytes() const {
  return is_gguf() ? gguf_->file_bytes() : safetensors_->file_bytes();
}

const StoredTensor& Checkpoint::tensor(const std::string& name) const {
  const auto& tensors = is_gguf() ? gguf_tensors_ : safetensors_->tensors();
  const auto found = tensors.find(name);
  if (found == tensors.end()) bad_input("{}: tensor '{}' is missing", path_.string(), name);
  return found->second;
}

std::vector<std::string> Checkpoint::tensor_names() const {
  std::vector<std::string> names;
  for (const auto& [name, shape] : expected_tensors(spec_)) names.push_back(name);
  return names;
}

std::vector<std::pair<StoredType, int64_t>> Checkpoint::stored_types() const {
  std::map<StoredType, int64_t> elements;
  for (const std::string& name : tensor_names()) elements[tensor(name).type] += tensor(name).elements();
  std::vector<std::pair<StoredType, int64_t>> list(elements.begin(), elements.end());
  std::ranges::sort(list, std::greater<>(), &std::pair<StoredType, int64_t>::second);
  return list;
}

void Checkpoint::read(const std::string& name, std::span<float> out) const {
  const StoredTensor& stored = tensor(name);
  decode(stored.type, stored.data, out);
  if (!is_gguf()) return;
  if (const int64_t heads = permuted_heads(spec_, name); heads > 0) undo_rope_permutation(out, heads, stored.shape[0]);
}

void Checkpoint::read_rows(const std::string& name, std::span<const int64_t> rows, std::span<float> out) const {
  const StoredTensor& stored = tensor(name);
  const auto columns = static_cast<size_t>(stored.shape[1]);
  const size_t row_bytes = stored.data.size() / static_cast<size_t>(stored.shape[0]);
  for (size_t i = 0; i < rows.size(); ++i) {
    decode(stored.type, stored.data.subspan(static_cast<size_t>(rows[i]) * row_bytes, row_bytes),
           out.subspan(i * columns, columns));
  }
}

void Checkpoint::release(const std::string& name) const {
  release_pages(tensor(name).data);
}

OrderedJson Checkpoint::config() const {
  if (is_gguf()) return config_from_gguf(*gguf_, spec_);
  return parse_ordered_json(config_text_, (path_ / "config.json").string());
}

Tokenizer Checkpoint::tokenizer() const {
  return is_gguf() ? tokenizer_of(*gguf_) : tokenizer_of_folder(path_);
}

Tokenizer load_tokenizer(const fs::path& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) return tokenizer_of_folder(path);
  return path.extension() == ".gguf" ? tokenizer_of(GgufFile(path)) : Tokenizer::from_file(path);
}

void Checkpoint::write_companions(const fs::path& folder) const {
  if (is_gguf()) {
    const TokenizerFiles files = tokenizer_files(vocabulary_of(*gguf_));
    write_file_atomically(folder / "tokenizer.json", files.tokenizer_json);
    write_file_atomically(folder / "tokenizer_config.json", files.tokenizer_config_json);
    write_file_atomically(folder / "generation_config.json", generation_config_from_gguf(*gguf_));
    return;
  }
  for (const fs::path& name : companions_of(path_)) {
    std::error_code ignored;
    const fs::path source = path_ / name;
    // What is copied may be published: not a private file that somebody's checkpoint points to.
    if (!is_inside(source, path_, ignored)) {
      bad_input("{}: is a link that leaves the folder; replace it by a copy, or remove it", source.string());
    }
    fs::create_directories((folder / name).parent_path());
    write_file_atomically(folder / name, read_file(source));
  }
}

std::vector<int64_t> parse_removal_list(std::string_view text, int64_t num_blocks) {
  std::string_view rest = trim(text);
  if (rest.size() >= 2 && rest.front() == '[' && rest.back() == ']') rest = trim(rest.substr(1, rest.size() - 2));
  std::vector<int64_t> list;
  while (!rest.empty()) {
    const size_t comma = rest.find(',');
    const std::string_view item = trim(rest.substr(0, comma));
    int64_t block = 0;
    const auto [end, error] = std::from_chars(item.data(), item.data() + item.size(), block);
    const bool trailing_comma = comma + 1 == rest.size();
    if (error != std::errc() || end != item.data() + item.size() || trailing_comma) {
      bad_input("removal list \"{}\": expected block numbers like 5,4,9", text);
    }
    if (block < 0 || block >= num_blocks) {
      bad_input("removal list \"{}\": there is no block {}; the model's are 0 to {}", text, block, num_blocks - 1);
    }
    if (std::ranges::count(list, block) > 0) bad_input("removal list \"{}\": block {} stands twice", text, block);
    list.push_back(block);
    rest = comma == rest.npos ? "" : rest.substr(comma + 1);
  }
  if (static_cast<int64_t>(list.size()) == num_blocks) {
    bad_input("removal list \"{}\": that is all {} blocks; at least one must stay", text, num_blocks);
  }
  return list;
}

}  // namespace sleb
