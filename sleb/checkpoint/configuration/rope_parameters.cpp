#include "sleb/checkpoint/configuration/rope_parameters.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>

#include "sleb/checkpoint/formats/stored_tensor.h"

namespace sleb {
namespace {

struct RopeKind {
  std::string_view name;
  RopeSpec::Scaling scaling;
  std::span<const std::string_view> keys;  // what it reads beside rope_theta
};

constexpr std::array<std::string_view, 1> factor_key = {"factor"};
constexpr std::array<std::string_view, 4> llama3_keys = {"factor", "low_freq_factor", "high_freq_factor",
                                                         "original_max_position_embeddings"};
constexpr std::array kinds = {
    RopeKind{"default", RopeSpec::Scaling::none, {}},
    RopeKind{"linear", RopeSpec::Scaling::linear, factor_key},
    RopeKind{"dynamic", RopeSpec::Scaling::dynamic, factor_key},
    RopeKind{"llama3", RopeSpec::Scaling::llama3, llama3_keys},
};

// False for what Python's `or` passes over.
bool is_true(const Json& value) {
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_number()) return value.get<double>() != 0;
  return value.is_string() ? !value.get_ref<const std::string&>().empty() : !value.empty();
}

bool gives(const JsonView& object, const std::string& key) {
  return object.is_object() && object.raw().contains(key);
}

// A member that is null is not absent here: transformers computes with it, and fails.
JsonView given(const JsonView& object, const std::string& key) {
  if (object.raw().at(key).is_null()) object.fail(fmt::format("{} is null; remove it, or give a number", key));
  return object.at(key);
}

// transformers 4's rope_scaling goes before transformers 5's rope_parameters.
std::optional<JsonView> parameters_of(const JsonView& config) {
  for (const std::string key : {"rope_scaling", "rope_parameters"}) {
    auto member = config.find(key);
    if (!member || (key == "rope_scaling" && !is_true(member->raw()))) continue;
    if (!member->is_object()) member->fail("expected an object");
    return member;
  }
  return {};
}

// "rope_type" was once spelled "type".
const RopeKind& kind_of(const std::optional<JsonView>& parameters) {
  const std::string key = parameters && gives(*parameters, "rope_type") ? "rope_type" : "type";
  if (!parameters || !gives(*parameters, key)) return kinds[0];
  if (parameters->raw().at(key).is_null()) parameters->fail(fmt::format("{} is null; give \"default\"", key));
  const std::string& name = parameters->at(key).string();
  const auto* const kind = std::ranges::find(kinds, name, &RopeKind::name);
  if (kind == kinds.end()) {
    parameters->fail(fmt::format("rope type \"{}\" is not known; known are default, linear, dynamic, llama3", name));
  }
  return *kind;
}

// The share of a head's dimensions that turn. transformers' default rope in these families turns all of them whatever
// this says, and its other kinds fail.
void check_turns_whole_heads(const JsonView& config, const JsonView& parameters, int64_t head_dim) {
  const std::string key = "partial_rotary_factor";
  const bool inside = gives(parameters, key);
  if (!inside && !config.has(key)) return;
  const JsonView share = inside ? given(parameters, key) : config.at(key);
  const double turned = static_cast<double>(head_dim) * share.number();
  if (turned < static_cast<double>(head_dim) || turned >= static_cast<double>(head_dim + 1)) {
    share.fail("partial rotary embedding is not known here");
  }
}

int64_t original_positions(const JsonView& config, const JsonView& parameters, int64_t max_positions) {
  const std::string key = "original_max_position_embeddings";
  if (gives(config, key)) return given(config, key).integer();  // goes before the parameters' own
  return gives(parameters, key) ? given(parameters, key).integer() : max_positions;
}

void refuse_nested(const JsonView& parameters) {
  for (const auto& [key, value] : parameters.raw().items()) {
    if (value.is_object()) {
      parameters.at(key).fail("rope parameters for one kind of layer are not known here, nor to transformers' class");
    }
  }
}

}  // namespace

RopeSpec rope_from_config(const JsonView& config, const ModelSpec& spec) {
  RopeSpec rope = spec.rope;
  const auto parameters = parameters_of(config);
  if (parameters) refuse_nested(*parameters);
  const bool own_theta = parameters && gives(*parameters, "rope_theta");
  if (own_theta || gives(config, "rope_theta"))
    rope.theta = given(own_theta ? *parameters : config, "rope_theta").number();
  const RopeKind& kind = kind_of(parameters);
  rope.scaling = kind.scaling;
  if (kind.scaling == RopeSpec::Scaling::none) return rope;
  check_turns_whole_heads(config, *parameters, spec.head_dim);
  rope.factor = parameters->at("factor").number();
  if (kind.scaling != RopeSpec::Scaling::llama3) return rope;
  rope.low_freq_factor = parameters->at("low_freq_factor").number();
  rope.high_freq_factor = parameters->at("high_freq_factor").number();
  rope.original_max_positions = original_positions(config, *parameters, spec.max_positions);
  return rope;
}

std::vector<std::string> rope_warnings(const JsonView& config) {
  std::vector<std::string> warnings;
  const auto parameters = parameters_of(config);
  if (!parameters) return warnings;
  const auto newer = config.find("rope_parameters");
  if (newer && is_true(newer->raw()) && newer->raw() != parameters->raw()) {
    warnings.push_back(
        fmt::format("{}: rope_scaling is used in place of rope_parameters, as transformers does", config.place()));
  }
  const RopeKind& kind = kind_of(parameters);
  std::vector<std::string> unread;
  for (const auto& [key, value] : parameters->raw().items()) {
    const bool read = key == "rope_type" || key == "type" || key == "rope_theta" ||
                      std::ranges::find(kind.keys, key) != kind.keys.end() ||
                      (key == "partial_rotary_factor" && value == 1);
    if (!read && !value.is_null()) unread.push_back(key);
  }
  if (!unread.empty()) {
    warnings.push_back(fmt::format("{}: rope type {} does not read {}; ignored, as transformers does",
                                   parameters->place(), kind.name, quote_all(unread)));
  }
  if (kind.scaling != RopeSpec::Scaling::none && parameters->at("factor").number() < 1) {
    warnings.push_back(fmt::format("{}: factor is less than 1", parameters->place()));
  }
  return warnings;
}

}  // namespace sleb
