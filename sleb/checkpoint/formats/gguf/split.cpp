#include "sleb/checkpoint/formats/gguf/split.h"

#include "sleb/base/error.h"

namespace sleb {
namespace fs = std::filesystem;
namespace {

constexpr int64_t most_parts = 65535;  // split.count is a u16

struct Split {
  int64_t number;   // from 0
  int64_t count;    // of parts
  int64_t tensors;  // of all parts together
};

// Nothing for a model in one file.
std::optional<Split> split_of(const GgufPart& part) {
  const auto integer = [&](const std::string& key) {
    const auto value = find_integer(part.metadata, key, part.label);
    if (!value) bad_input("{}: missing", metadata_place(part.label, key));
    return *value;
  };
  const int64_t count = find_integer(part.metadata, "split.count", part.label).value_or(1);
  if (count < 0 || count > most_parts) {
    bad_input("{}: {} is not a number of parts", metadata_place(part.label, "split.count"), count);
  }
  if (count <= 1) return {};
  const int64_t number = integer("split.no");
  if (number < 0 || number >= count) {
    bad_input("{}: {} is not one of {} parts", metadata_place(part.label, "split.no"), number, count);
  }
  return Split{number, count, integer("split.tensors.count")};
}

// What follows the model's name in a part's file name.
std::string ending(int64_t number, int64_t count) {
  return fmt::format("-{:05}-of-{:05}.gguf", number + 1, count);
}

// Another part's path, beside the given one. It may be a link: what it leads to has to be a part of the same model.
fs::path part_path(const fs::path& given, const std::string& model, int64_t number, int64_t count) {
  fs::path path = given.parent_path() / (model + ending(number, count));
  std::error_code error;
  if (!fs::exists(path, error)) {
    bad_input("{}: missing, part {} of a model in {} parts", path.string(), number + 1, count);
  }
  return path;
}

void check_belongs(const GgufPart& part, int64_t number, const Split& expected) {
  const auto split = split_of(part);
  if (!split || split->count != expected.count || split->number != number) {
    bad_input("{}: not part {} of {}, as its name says: {}", part.label, number + 1, expected.count,
              split ? fmt::format("it is part {} of {}", split->number + 1, split->count) : "it is not a part");
  }
  if (split->tensors != expected.tensors) {
    bad_input("{}: a part of another model: of {} tensors together, the others' of {}",
              metadata_place(part.label, "split.tensors.count"), split->tensors, expected.tensors);
  }
}

// What the parts say of the model must be the same, where more than one says it.
void check_same_model(const GgufPart& first, const GgufPart& part) {
  for (const auto& [key, value] : part.metadata) {
    if (key.starts_with("split.") || key == "general.alignment") continue;
    const auto found = first.metadata.find(key);
    if (found != first.metadata.end() && found->second != value) {
      bad_input("{}: differs from that of {}: a part of another model", metadata_place(part.label, key), first.label);
    }
  }
}

void check_tensors(const std::vector<GgufPart>& parts, int64_t expected) {
  std::map<std::string_view, const GgufPart*> holders;
  for (const GgufPart& part : parts) {
    for (const auto& [name, tensor] : part.tensors) {
      const auto [holder, is_new] = holders.emplace(name, &part);
      if (!is_new) bad_input("{}: tensor {} is also in {}", part.label, quote(name), holder->second->label);
    }
  }
  if (static_cast<int64_t>(holders.size()) != expected) {
    bad_input("{}: {}, but its {} parts hold {}", metadata_place(parts[0].label, "split.tensors.count"), expected,
              parts.size(), holders.size());
  }
}

}  // namespace

std::vector<GgufPart> read_gguf_parts(const fs::path& path) {
  std::vector<GgufPart> parts;
  GgufPart given = read_gguf_part(path);
  const auto split = split_of(given);
  if (!split) {
    parts.push_back(std::move(given));
    return parts;
  }
  std::string model = path.filename().string();
  const std::string given_ending = ending(split->number, split->count);
  if (!model.ends_with(given_ending)) {
    bad_input("{}: part {} of a model in {} parts, the names of which must end as in model{}", given.label,
              split->number + 1, split->count, given_ending);
  }
  model.resize(model.size() - given_ending.size());
  for (int64_t number = 0; number < split->count; ++number) {
    // The given one is mapped twice, which costs nothing.
    parts.push_back(read_gguf_part(number == split->number ? path : part_path(path, model, number, split->count)));
    check_belongs(parts.back(), number, *split);
    check_same_model(parts.front(), parts.back());
  }
  check_tensors(parts, split->tensors);
  return parts;
}

}  // namespace sleb
