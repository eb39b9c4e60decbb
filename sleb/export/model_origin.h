// Which model of the hub a pruned one was made from, as its model card and sleb.json say it.
#pragma once

#include <string>
#include <vector>

#include "sleb/base/json.h"

namespace sleb {

struct ModelOrigin {
  // "org/name" and its commit, of a model that was read by name. Empty for a path.
  std::string repository;
  std::string commit;
  std::string named;  // --base-model: goes before the repository; "" where it was not given

  const std::string& base_model() const { return named.empty() ? repository : named; }  // "": not known
};

// The YAML at the beginning of README.md, by which the hub lists the model and links it to its base_model, and to the
// data sets "org/name" that it was calibrated on.
std::string card_front_matter(const ModelOrigin& origin, const std::vector<std::string>& datasets = {});
// A line of the card with the repository and the commit; "" for a path.
std::string card_origin(const ModelOrigin& origin);
// "base_model" and "commit" behind "model", as far as they are known.
void add_origin(OrderedJson& json, const ModelOrigin& origin);

}  // namespace sleb
