// What a config.json says under the names that its family has for things.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include "sleb/base/json.h"
#include "sleb/checkpoint/families.h"

namespace sleb {

constexpr int64_t largest_setting = std::numeric_limits<int32_t>::max();

// A family's configuration, by what it calls its settings.
class Settings {
 public:
  Settings(const JsonView& config, const Family& family) : config_(config), family_(family) {}

  // The member; none where the family has no such setting, or it is null. The usual name of a size counts too.
  std::optional<JsonView> find(Setting setting) const {
    for (const std::string_view key : {family_.keys[setting], usual_sizes[setting]}) {
      if (key.empty()) continue;
      if (auto member = config_.find(std::string(key))) return member;
    }
    return {};
  }
  // Whether the family has it.
  bool has(Setting setting) const { return !family_.keys[setting].empty(); }
  // Whether it is given, as null perhaps.
  bool gives(Setting setting) const {
    const std::string key(family_.keys[setting]);
    return !key.empty() && config_.raw().contains(key);
  }
  // `assumed`: where it is absent; 0: it may not be.
  int64_t size(Setting setting, int64_t assumed, int64_t most = largest_setting) const {
    if (const auto member = find(setting)) return member->integer(1, most);
    return assumed > 0 ? assumed : config_.at(std::string(family_.keys[setting])).integer(1, most);
  }
  void read(Setting setting, bool& value) const {
    if (const auto member = find(setting)) value = member->boolean();
  }
  void read(Setting setting, double& value) const {
    if (const auto member = find(setting)) value = member->number();
  }
  // null: none.
  void read_cap(Setting setting, double& value) const {
    if (gives(setting)) value = 0;
    read(setting, value);
  }

 private:
  const JsonView& config_;
  const Family& family_;
};

}  // namespace sleb
