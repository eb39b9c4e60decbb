#include <algorithm>
#include <iterator>

#include "sleb/checkpoint/families/tables.h"

namespace sleb {

const std::vector<Family>& families() {
  static const std::vector<Family> table = [] {
    std::vector<Family> all = llama_like_families();
    for (std::vector<Family> page : {mixture_families(), own_code_families(), gemma_families(), gpt_like_families()}) {
      std::ranges::move(page, std::back_inserter(all));
    }
    return all;
  }();
  return table;
}

const Family* find_family(std::string_view model_type) {
  const auto found = std::ranges::find(families(), model_type, &Family::model_type);
  return found == families().end() ? nullptr : &*found;
}

}  // namespace sleb
