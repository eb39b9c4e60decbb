#include "sleb/search/candidates.h"

namespace sleb {

std::string_view name_of(Criterion criterion) {
  return criterion == Criterion::kl ? "kl" : "loss";
}

std::string_view name_of(Units units) {
  return units == Units::half ? "half" : "block";
}

Removal removal_of(int64_t unit, Units units) {
  if (units == Units::block) return unit;
  return {unit / 2, unit % 2 == 0 ? Half::attention : Half::mlp};
}

Plan plan_without(std::span<const int64_t> units, Units kind) {
  RemovalList list;
  for (const int64_t unit : units) list.push_back(removal_of(unit, kind));
  return plan_without(list);
}

}  // namespace sleb
