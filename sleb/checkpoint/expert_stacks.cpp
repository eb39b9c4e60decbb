#include "sleb/checkpoint/expert_stacks.h"

#include <algorithm>
#include <array>

namespace sleb {
namespace {

constexpr std::array expert_parts = {Part::expert_gate, Part::expert_up, Part::expert_down};

// Calls `use` with the places, within the part and within the expert's numbers in the stack, of each number.
template <typename Use>
void for_each_number(int64_t numbers, const PlaceInStack& place, int64_t rows, const Use& use) {
  const int64_t columns = numbers / rows;
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t column = 0; column < columns; ++column) {
      use(static_cast<size_t>(row * columns + column),
          static_cast<size_t>((column * rows + row) * place.turns + place.turn));
    }
  }
}

}  // namespace

ModelSpec with_experts_apart(ModelSpec spec) {
  spec.experts.stacked = false;
  spec.names.parts = spec.names.parts.with({{Part::expert_gate, "mlp.experts.*.gate_proj"},
                                            {Part::expert_up, "mlp.experts.*.up_proj"},
                                            {Part::expert_down, "mlp.experts.*.down_proj"}});
  return spec;
}

std::map<std::string, PlaceInStack> places_in_stacks(const ModelSpec& stacked) {
  const ModelSpec apart = with_experts_apart(stacked);
  std::map<std::string, PlaceInStack> places;
  for (int64_t block = 0; block < stacked.num_blocks; ++block) {
    if (!stacked.is_mixture(block)) continue;
    for (const Part part : expert_parts) {
      if (!stacked.has_weight(part)) continue;
      std::vector<Part> in_turns;
      for (const Part other : expert_parts) {
        const PartNames& names = stacked.names.parts;
        if (stacked.has_weight(other) && names[other] == names[part]) in_turns.push_back(other);
      }
      PlaceInStack place{.turn = std::ranges::find(in_turns, part) - in_turns.begin(), .turns = std::ssize(in_turns)};
      const std::span one(&part, 1);
      for (int64_t expert = 0; expert < stacked.experts.count; ++expert) {
        place.expert = expert;
        place.stack = stacked.stored_weights(block, one).front().name;
        places.emplace(apart.expert_weights(block, expert, one).front().name, place);
        if (!stacked.experts.biases) continue;
        place.stack = stacked.stored_biases(block, one).front().name;
        places.emplace(apart.expert_biases(block, expert, one).front().name, place);
      }
    }
  }
  return places;
}

void take_from_stack(std::span<const float> of_expert, const PlaceInStack& place, int64_t rows, std::span<float> part) {
  for_each_number(std::ssize(part), place, rows, [&](size_t own, size_t there) { part[own] = of_expert[there]; });
}

void put_into_stack(std::span<const float> part, const PlaceInStack& place, int64_t rows, std::span<float> of_expert) {
  for_each_number(std::ssize(part), place, rows, [&](size_t own, size_t there) { of_expert[there] = part[own]; });
}

}  // namespace sleb
