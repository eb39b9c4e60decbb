#include "sleb/engine/plans/removal_list.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>

#include "sleb/base/error.h"

namespace sleb {
namespace {

std::string_view trim(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

std::optional<Removal> removal_of(std::string_view text) {
  const size_t point = text.find('.');
  const std::string_view number = text.substr(0, point);
  int64_t block = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), block);
  if (error != std::errc() || end != number.data() + number.size()) return {};
  if (point == text.npos) return Removal(block);
  for (const Half half : {Half::attention, Half::mlp}) {
    if (text.substr(point + 1) == name_of(half)) return Removal(block, half);
  }
  return {};
}

bool have_a_half_in_common(const Removal& one, const Removal& other) {
  return one.block == other.block && (!one.half || !other.half || one.half == other.half);
}

}  // namespace

std::string text_of(const Removal& removal) {
  return removal.half ? fmt::format("{}.{}", removal.block, name_of(*removal.half)) : std::to_string(removal.block);
}

std::string text_of(const RemovalList& list) {
  std::vector<std::string> texts;
  for (const Removal& removal : list) texts.push_back(text_of(removal));
  return fmt::format("{}", fmt::join(texts, ","));
}

void to_json(OrderedJson& json, const Removal& removal) {
  json = removal.half ? OrderedJson(text_of(removal)) : OrderedJson(removal.block);
}

RemovalList parse_removal_list(std::string_view text) {
  std::string_view rest = trim(text);
  if (rest.size() >= 2 && rest.front() == '[' && rest.back() == ']') rest = trim(rest.substr(1, rest.size() - 2));
  RemovalList list;
  while (!rest.empty()) {
    const size_t comma = rest.find(',');
    const auto removal = removal_of(trim(rest.substr(0, comma)));
    const bool trailing_comma = comma + 1 == rest.size();
    if (!removal || trailing_comma) {
      bad_input("removal list \"{}\": expected block numbers like 5,4,9, or halves like 5.attention,4.mlp", text);
    }
    if (std::ranges::any_of(list, [&](const Removal& other) { return have_a_half_in_common(*removal, other); })) {
      bad_input("removal list \"{}\": block {} stands twice", text, removal->block);
    }
    list.push_back(*removal);
    rest = comma == rest.npos ? "" : rest.substr(comma + 1);
  }
  return list;
}

RemovalList parse_removal_list(std::string_view text, const ModelSpec& spec) {
  RemovalList list = parse_removal_list(text);
  for (const Removal& removal : list) {
    if (removal.block < 0 || removal.block >= spec.num_blocks) {
      bad_input("removal list \"{}\": there is no block {}; the model's are 0 to {}", text, removal.block,
                spec.num_blocks - 1);
    }
    if (removal.half) check_has_halves(spec, fmt::format("removal list \"{}\"", text));
  }
  if (std::ssize(plan_without(list).bypassed()) == 2 * spec.num_blocks) {
    bad_input("removal list \"{}\": that is all {} blocks; at least one must stay", text, spec.num_blocks);
  }
  return list;
}

void check_has_halves(const ModelSpec& spec, std::string_view label) {
  if (spec.parallel_residual) {
    bad_input("{}: attention and MLP of a {} block add to one sum and go together; name whole blocks", label,
              spec.family);
  }
  if (!spec.has_all_halves()) {
    bad_input("{}: the model lacks halves of blocks already; name whole blocks, or take the model it was made from",
              label);
  }
}

Plan plan_without(const RemovalList& list) {
  Plan plan;
  for (const Removal& removal : list) {
    if (removal.half) {
      plan.bypass({removal.block, *removal.half});
    } else {
      plan.bypass_block(removal.block);
    }
  }
  return plan;
}

std::vector<int64_t> whole_blocks(const RemovalList& list, std::string_view label) {
  std::vector<int64_t> blocks;
  for (const Removal& removal : joined_halves(plan_without(list))) {
    if (removal.half) bad_input("{}: {} is one half of a block; name whole blocks", label, text_of(removal));
  }
  for (const Removal& removal : list) {
    if (std::ranges::count(blocks, removal.block) == 0) blocks.push_back(removal.block);
  }
  return blocks;
}

std::vector<int64_t> blocks_gone(const RemovalList& list) {
  std::vector<int64_t> blocks;
  for (const Removal& removal : joined_halves(plan_without(list))) {
    if (!removal.half) blocks.push_back(removal.block);
  }
  return blocks;
}

bool has_single_halves(const RemovalList& list) {
  return std::ranges::any_of(joined_halves(plan_without(list)),
                             [](const Removal& one) { return one.half.has_value(); });
}

RemovalList joined_halves(const Plan& plan) {
  RemovalList list;
  for (const Unit& unit : plan.bypassed()) {
    if (!list.empty() && list.back().block == unit.block) {
      list.back().half.reset();
    } else {
      list.emplace_back(unit.block, unit.half);
    }
  }
  return list;
}

int64_t parameters_of(const RemovalList& list, const ModelSpec& spec) {
  int64_t sum = 0;
  const Plan plan = plan_without(list);
  for (const Unit& unit : plan.bypassed()) {
    if (!spec.lacks(unit.block, unit.half)) sum += spec.half_parameters(unit.block, unit.half);
  }
  return sum;
}

double blocks_in(const RemovalList& list) {
  return static_cast<double>(plan_without(list).bypassed().size()) / 2;
}

}  // namespace sleb
