// For test_data_files.py: data_files_dump reads lines of JSON. {"pattern", "paths"} prints which of the paths the
// pattern matches; {"readme", "names"} prints the configurations with their splits' files, of a card or of names alone;
// where something is wrong {"error"}.
#include <iostream>

#include "sleb/base/error.h"
#include "sleb/base/json.h"
#include "sleb/datasets/data_files.h"
#include "sleb/datasets/glob.h"

namespace {

using sleb::Json;
using Names = std::vector<std::string>;

Json matched(const Json& line) {
  const sleb::Glob glob(line.at("pattern").get<std::string>());
  Json found = Json::array();
  for (const auto& path : line.at("paths").get<Names>()) {
    if (glob.matches(path)) found.push_back(path);
  }
  return found;
}

Json resolved(const Json& line) {
  auto configs = sleb::configs_of(line.at("readme").get<std::string>(), "", "");
  if (configs.empty()) configs.emplace_back();
  Json found = Json::object();
  for (const auto& config : configs) {
    Json splits = Json::object();
    for (const auto& split : sleb::splits_of(config, line.at("names").get<Names>(), "it")) {
      splits[split.split] = split.files;
    }
    found[config.name] = splits;
  }
  return found;
}

}  // namespace

int main() {
  for (std::string text; std::getline(std::cin, text);) {
    Json answer;
    try {
      const Json line = Json::parse(text);
      answer = line.contains("pattern") ? matched(line) : resolved(line);
    } catch (const sleb::Error& error) {
      answer = {{"error", error.what()}};
    }
    std::cout << answer.dump() << "\n";
  }
}
