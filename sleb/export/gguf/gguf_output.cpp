#include "sleb/export/gguf/gguf_output.h"

#include <fmt/format.h>

#include <algorithm>

#include "sleb/base/error.h"
#include "sleb/base/staged_files.h"

namespace sleb {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view ending = ".gguf";
constexpr size_t most_parts = 65535;  // split.count is a u16

std::string stem_of(const fs::path& out) {
  return out.filename().stem().string();
}

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

struct PartRange {
  size_t begin, end;  // of the tensors
};

// As gguf-split does: a new part where the tensors, each filled up to the alignment, would be too large together.
std::vector<PartRange> divide(const GgufContent& content, std::optional<uint64_t> part_bytes) {
  std::vector<PartRange> parts = {{0, 0}};
  uint64_t used = 0;
  for (size_t i = 0; i < content.tensors.size(); ++i) {
    const uint64_t bytes = (content.tensors[i].bytes() + content.alignment - 1) / content.alignment * content.alignment;
    if (part_bytes && parts.back().end > parts.back().begin && used + bytes > *part_bytes) {
      parts.push_back({i, i});
      used = 0;
    }
    used += bytes;
    parts.back().end = i + 1;
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

std::string part_name(const fs::path& out, size_t part, size_t count) {
  if (count == 1) return out.filename().string();
  return fmt::format("{}-{:05}-of-{:05}{}", stem_of(out), part + 1, count, ending);
}

}  // namespace

bool is_gguf_output(const fs::path& out) {
  return out.extension() == ending;
}

std::vector<fs::path> parts_of_gguf(const fs::path& out) {
  std::vector<fs::path> parts;
  const std::string stem = stem_of(out);
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
  std::error_code ignored;
  const fs::file_status status = fs::status(target, ignored);
  if (fs::is_directory(status)) bad_input("{}: is a folder; give a file", out.string());
  if (fs::exists(status) && !fs::is_regular_file(status)) {
    bad_input("{}: not a regular file, and a GGUF is written as one; give another name", out.string());
  }
  if (force) return;
  if (fs::is_regular_file(status) && fs::file_size(target, ignored) > 0) {
    bad_input("{}: exists already; give another file, or --force to replace it", out.string());
  }
  const auto parts = in_parts ? parts_of_gguf(target) : std::vector<fs::path>();
  if (!parts.empty()) {
    bad_input("{}: exists already, and a part may get that name; give another file, or --force to replace it",
              parts.front().string());
  }
}

std::vector<std::string> write_gguf(const GgufOutput& output, const GgufContent& content, Progress& progress) {
  const fs::path target = followed(output.out);
  const std::vector<PartRange> parts = divide(content, output.part_bytes);
  if (parts.size() > most_parts) {
    bad_input("{}: {} parts of {} bytes; a GGUF can have {}", output.out.string(), parts.size(), *output.part_bytes,
              most_parts);
  }
  uint64_t total = 0, written = 0;
  for (const TensorLayout& tensor : content.tensors) total += tensor.bytes();
  StagedFiles staged(target);
  progress.begin("writing", total >> 20, "MiB");
  std::vector<std::string> names;
  for (size_t part = 0; part < parts.size(); ++part) {
    const auto [begin, end] = parts[part];
    names.push_back(part_name(target, part, parts.size()));
    const auto first = content.tensors.begin();
    GgufWriter writer(staged.path(names.back()), entries_of_part(content, part, parts.size()),
                      {first + static_cast<std::ptrdiff_t>(begin), first + static_cast<std::ptrdiff_t>(end)},
                      content.alignment);
    for (size_t i = begin; i < end; ++i) {
      check_interrupt();
      content.write(i, writer);
      const uint64_t before = written;
      written += content.tensors[i].bytes();
      progress.advance((written >> 20) - (before >> 20));
    }
    writer.close();
  }
  progress.end();
  staged.commit(names, output.force);
  return names;
}

}  // namespace sleb
