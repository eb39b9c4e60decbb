#include "sleb/export/gguf/gguf_output.h"

#include <fmt/format.h>

#include <algorithm>

#include "sleb/base/error.h"
#include "sleb/base/staged_files.h"
#include "sleb/checkpoint/model_location.h"
#include "sleb/export/output_folder.h"

namespace sleb {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view ending = ".gguf";
constexpr size_t most_parts = 65535;  // split.count is a u16

bool are_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == text.npos;
}

// "-00001-of-00003", behind the model's name.
bool is_part_number(std::string_view text) {
  constexpr std::string_view of = "-of-";
  const size_t middle = text.find(of);
  return text.starts_with('-') && middle != text.npos && are_digits(text.substr(1, middle - 1)) &&
         are_digits(text.substr(middle + of.size()));
}

// As gguf-split does: a new part where the tensors, each filled up to the alignment, would be too large together.
std::vector<std::vector<TensorLayout>> divide(const GgufContent& content, std::optional<uint64_t> part_bytes) {
  std::vector<std::vector<TensorLayout>> parts(1);
  uint64_t used = 0;
  for (const TensorLayout& tensor : content.tensors) {
    const uint64_t bytes = (tensor.bytes() + content.alignment - 1) / content.alignment * content.alignment;
    if (part_bytes && !parts.back().empty() && used + bytes > *part_bytes) {
      parts.emplace_back();
      used = 0;
    }
    used += bytes;
    parts.back().push_back(tensor);
  }
  return parts;
}

// The first has all of the model's, every one its place among the parts.
GgufEntries entries_of_part(const GgufContent& content, size_t part, size_t count) {
  GgufEntries entries;
  const bool is_first = part == 0;
  for (const GgufEntry& entry : content.entries) {
    if (is_first || entry.key == "general.alignment") entries.push_back(entry);
  }
  if (count == 1) return entries;
  set(entries, "split.no", gguf_value::u16(static_cast<uint16_t>(part)));
  set(entries, "split.count", gguf_value::u16(static_cast<uint16_t>(count)));
  set(entries, "split.tensors.count", gguf_value::i32(static_cast<int32_t>(content.tensors.size())));
  return entries;
}

void check_regular(const fs::path& target, const fs::path& named, bool force) {
  std::error_code ignored;
  const fs::file_status status = fs::status(target, ignored);
  if (fs::is_directory(status)) bad_input("{}: is a folder; give a file", named.string());
  if (fs::exists(status) && !fs::is_regular_file(status)) {
    bad_input("{}: not a regular file, and a GGUF is written as one; give another name", named.string());
  }
  if (!force && fs::is_regular_file(status) && fs::file_size(target, ignored) > 0) {
    bad_input("{}: exists already; give another file, or --force to replace it", named.string());
  }
}

std::string part_name(const fs::path& out, size_t part, size_t count) {
  if (count == 1) return out.filename().string();
  return fmt::format("{}-{:05}-of-{:05}{}", out.stem().string(), part + 1, count, ending);
}

}  // namespace

bool is_gguf_output(const fs::path& out) {
  return has_gguf_ending(out);
}

std::string name_of_gguf(const fs::path& file) {
  const std::string stem = file.stem().string();
  const size_t of = stem.rfind("-of-");
  const size_t number = of == stem.npos || of == 0 ? stem.npos : stem.rfind('-', of - 1);
  return number != stem.npos && is_part_number(std::string_view(stem).substr(number)) ? stem.substr(0, number) : stem;
}

std::vector<fs::path> parts_of_gguf(const fs::path& out) {
  std::vector<fs::path> parts;
  const std::string stem = out.stem().string();
  std::error_code ignored;
  const fs::path folder = out.has_parent_path() ? out.parent_path() : ".";
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(stem) || !name.ends_with(ending)) continue;
    const std::string_view number =
        std::string_view(name).substr(stem.size(), name.size() - stem.size() - ending.size());
    if (is_part_number(number)) parts.push_back(entry.path());
  }
  std::ranges::sort(parts);
  return parts;
}

void check_gguf_output(const fs::path& out, bool in_parts, bool force) {
  const fs::path target = followed(out);
  check_regular(target, out, force);
  const fs::path record = record_of(out);
  check_regular(record, record, force);
  if (force) return;
  const auto parts = in_parts ? parts_of_gguf(target) : std::vector<fs::path>();
  if (!parts.empty()) {
    bad_input("{}: exists already, and a part may get that name; give another file, or --force to replace it",
              parts.front().string());
  }
}

std::vector<TensorFile> files_of_gguf(const fs::path& out, std::optional<uint64_t> part_bytes,
                                      const GgufContent& content) {
  auto parts = divide(content, part_bytes);
  if (parts.size() > most_parts) {
    bad_input("{}: {} parts of {} bytes; a GGUF can have {}", out.string(), parts.size(), *part_bytes, most_parts);
  }
  std::vector<TensorFile> files;
  for (auto& tensors : parts) {
    files.push_back({part_name(followed(out), files.size(), parts.size()), std::move(tensors)});
  }
  return files;
}

std::vector<std::string> write_gguf(const GgufOutput& output, const GgufContent& content, Progress& progress) {
  const std::vector<TensorFile> parts = files_of_gguf(output.out, output.part_bytes, content);
  uint64_t total = 0, written = 0;
  for (const TensorLayout& tensor : content.tensors) total += tensor.bytes();
  StagedFiles staged(followed(output.out));
  progress.begin("writing", total >> 20, "MiB");
  std::vector<std::string> names;
  size_t next = 0;
  for (const TensorFile& part : parts) {
    GgufWriter writer(staged.path(part.name), entries_of_part(content, names.size(), parts.size()), part.tensors,
                      content.alignment);
    for (const TensorLayout& tensor : part.tensors) {
      check_interrupt();
      content.write(next++, writer);
      const uint64_t before = written;
      written += tensor.bytes();
      progress.advance((written >> 20) - (before >> 20));
    }
    writer.close();
    names.push_back(part.name);
  }
  progress.end();
  std::vector<std::string> files = names;
  files.push_back(record_of(output.out).filename().string());
  OrderedJson record = output.record;
  record["files"] = files;
  write_file_atomically(staged.path(files.back()), record.dump(2) + "\n");
  staged.commit(files, output.force);
  return names;
}

}  // namespace sleb
