#include "sleb/search/candidates.h"

namespace sleb {

std::string_view name_of(Criterion criterion) {
  return criterion == Criterion::kl ? "kl" : "loss";
}

}  // namespace sleb
