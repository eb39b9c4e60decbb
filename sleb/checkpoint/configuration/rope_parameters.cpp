#include "sleb/checkpoint/configuration/rope_parameters.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
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
constexpr std::array<std::string_view, 8> yarn_keys = {
    "factor", "beta_fast",      "beta_slow", "attention_factor",
    "mscale", "mscale_all_dim", "truncate",  "original_max_position_embeddings"};
constexpr std::array<std::string_view, 5> longrope_keys = {"factor", "short_factor", "long_factor", "attention_factor",
                                                           "original_max_position_embeddings"};
constexpr std::array kinds = {
    RopeKind{"default", RopeSpec::Scaling::none, {}},
    RopeKind{"linear", RopeSpec::Scaling::linear, factor_key},
    RopeKind{"dynamic", RopeSpec::Scaling::dynamic, factor_key},
    RopeKind{"llama3", RopeSpec::Scaling::llama3, llama3_keys},
    RopeKind{"yarn", RopeSpec::Scaling::yarn, yarn_keys},
    RopeKind{"longrope", RopeSpec::Scaling::longrope, longrope_keys},
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
const RopeKind& kind_of(const std::optional<JsonView>& parameters, const RopeRules& rules) {
  const std::string key = parameters && gives(*parameters, "rope_type") ? "rope_type" : "type";
  if (!parameters || !gives(*parameters, key)) return kinds[0];
  if (parameters->raw().at(key).is_null()) parameters->fail(fmt::format("{} is null; give \"default\"", key));
  const std::string& name = parameters->at(key).string();
  const bool is_old_longrope = rules.only_longrope && (name == "su" || name == "yarn");
  const auto* const kind = std::ranges::find(kinds, is_old_longrope ? "longrope" : name, &RopeKind::name);
  const bool takes = !rules.only_longrope || (kind != kinds.end() && (kind->scaling == RopeSpec::Scaling::none ||
                                                                      kind->scaling == RopeSpec::Scaling::longrope));
  if (kind == kinds.end() || !takes) {
    parameters->fail(
        fmt::format("rope type \"{}\" is not known; known are {}", name,
                    rules.only_longrope ? "default, longrope" : "default, linear, dynamic, llama3, yarn, longrope"));
  }
  return *kind;
}

// The share of a head's dimensions that turn.
double turned_share(const JsonView& config, const std::optional<JsonView>& parameters, const RopeRules& rules) {
  const std::string inside = "partial_rotary_factor", above(rules.share_key);
  if (parameters && gives(*parameters, inside)) return given(*parameters, inside).number();
  // Families whose rope turns whole heads whatever this says do not compute with it.
  const bool counts = rules.partial ? gives(config, above) : config.has(above);
  return counts ? given(config, above).number() : rules.share;
}

int64_t turned_dims(const JsonView& config, const std::optional<JsonView>& parameters, const RopeRules& rules,
                    int64_t head_dim) {
  if (!rules.dims_key.empty()) {
    const std::string key(rules.dims_key);
    return gives(config, key) ? given(config, key).integer() : rules.dims;
  }
  if (!rules.partial) return head_dim;
  return static_cast<int64_t>(static_cast<double>(head_dim) *
                              std::clamp(turned_share(config, parameters, rules), 0.0, 1.0));
}

// transformers' default rope in most families turns whole heads whatever the share is, and their other kinds fail.
void check_turns_whole_heads(const JsonView& config, const JsonView& parameters, const RopeRules& rules,
                             int64_t head_dim) {
  if (rules.partial || !rules.dims_key.empty()) return;
  const auto dims = static_cast<double>(head_dim);
  const double turned = dims * turned_share(config, parameters, rules);
  if (turned >= dims && turned < dims + 1) return;
  const std::string key = "partial_rotary_factor";
  (gives(parameters, key) ? parameters : config).at(key).fail("partial rotary embedding is not known here");
}

int64_t original_positions(const JsonView& config, const JsonView& parameters, const RopeRules& rules,
                           int64_t max_positions) {
  const std::string key = "original_max_position_embeddings";
  if (gives(config, key)) return given(config, key).integer();  // goes before the parameters' own
  if (rules.original_max_positions > 0) return rules.original_max_positions;
  return gives(parameters, key) ? given(parameters, key).integer() : max_positions;
}

void refuse_nested(const JsonView& parameters) {
  for (const auto& [key, value] : parameters.raw().items()) {
    if (value.is_object()) {
      parameters.at(key).fail("rope parameters for one kind of layer are not known here, nor to transformers' class");
    }
  }
}

// A member whose 0 means its default too.
double number_or_default(const JsonView& parameters, const std::string& key, double otherwise) {
  const double value = parameters.number_or(key, 0);
  return value == 0 ? otherwise : value;
}

// Where `factor` is null, or for longrope absent.
double stretch_of_positions(const RopeSpec& rope, const ModelSpec& spec) {
  return static_cast<double>(spec.max_positions) / static_cast<double>(rope.original_max_positions);
}

void check_original_positions(const RopeSpec& rope, const JsonView& parameters) {
  if (rope.original_max_positions < 1) parameters.fail("original_max_position_embeddings is not positive");
}

void read_yarn(const JsonView& parameters, const ModelSpec& spec, RopeSpec& rope) {
  check_original_positions(rope, parameters);
  const bool is_null = gives(parameters, "factor") && parameters.raw().at("factor").is_null();
  rope.factor = is_null ? stretch_of_positions(rope, spec) : parameters.at("factor").number();
  rope.beta_fast = number_or_default(parameters, "beta_fast", 32);
  rope.beta_slow = number_or_default(parameters, "beta_slow", 1);
  rope.truncate = parameters.boolean_or("truncate", true);
  const auto mscale = [&](double weight) { return rope.factor <= 1 ? 1 : 0.1 * weight * std::log(rope.factor) + 1; };
  const double one = parameters.number_or("mscale", 0), all = parameters.number_or("mscale_all_dim", 0);
  rope.attention_factor =
      parameters.number_or("attention_factor", one != 0 && all != 0 ? mscale(one) / mscale(all) : mscale(1));
}

std::vector<float> read_divisors(const JsonView& list, int64_t count) {
  if (static_cast<int64_t>(list.size()) != count) {
    list.fail(fmt::format("{} numbers for {} pairs of dimensions that turn", list.size(), count));
  }
  std::vector<float> divisors;
  for (size_t i = 0; i < list.size(); ++i) divisors.push_back(static_cast<float>(list.at(i).number()));
  return divisors;
}

void read_longrope(const JsonView& parameters, const ModelSpec& spec, RopeSpec& rope) {
  check_original_positions(rope, parameters);
  rope.short_divisors = read_divisors(parameters.at("short_factor"), rope.dims / 2);
  rope.long_divisors = read_divisors(parameters.at("long_factor"), rope.dims / 2);
  rope.factor = parameters.number_or("factor", stretch_of_positions(rope, spec));
  const double original = std::log(static_cast<double>(rope.original_max_positions));
  rope.attention_factor =
      parameters.number_or("attention_factor", rope.factor <= 1 ? 1 : std::sqrt(1 + std::log(rope.factor) / original));
}

void read_scaling(const JsonView& config, const JsonView& parameters, const RopeRules& rules, const ModelSpec& spec,
                  RopeSpec& rope) {
  check_turns_whole_heads(config, parameters, rules, spec.head_dim);
  if (rope.scaling >= RopeSpec::Scaling::llama3) {
    rope.original_max_positions = original_positions(config, parameters, rules, spec.max_positions);
  }
  if (rope.scaling == RopeSpec::Scaling::yarn) return read_yarn(parameters, spec, rope);
  if (rope.scaling == RopeSpec::Scaling::longrope) return read_longrope(parameters, spec, rope);
  rope.factor = parameters.at("factor").number();
  if (rope.scaling != RopeSpec::Scaling::llama3) return;
  rope.low_freq_factor = parameters.at("low_freq_factor").number();
  rope.high_freq_factor = parameters.at("high_freq_factor").number();
}

// `above`: the key of config.json itself for theta.
RopeSpec read_rope(const JsonView& config, const std::optional<JsonView>& parameters, std::string_view above,
                   double theta, const RopeRules& rules, const ModelSpec& spec) {
  RopeSpec rope{.theta = theta};
  const std::string key(above);
  const bool own_theta = parameters && gives(*parameters, "rope_theta");
  if (own_theta) {
    rope.theta = given(*parameters, "rope_theta").number();
  } else if (!key.empty() && gives(config, key)) {
    rope.theta = given(config, key).number();
  }
  rope.dims = turned_dims(config, parameters, rules, spec.head_dim);
  rope.scaling = kind_of(parameters, rules).scaling;
  if (rope.scaling != RopeSpec::Scaling::none) read_scaling(config, *parameters, rules, spec, rope);
  if (rules.query_growth && parameters) {
    rope.query_growth = parameters->number_or("llama_4_scaling_beta", 0);
    rope.original_max_positions = original_positions(config, *parameters, rules, spec.max_positions);
    check_original_positions(rope, *parameters);
  }
  return rope;
}

// Of a kind of block. rope_scaling, transformers 4's, is laid over the parameters of full_attention; there "type",
// where it stands alone, is not read.
Json parameters_of_kind(const JsonView& config, const std::string& kind) {
  Json parameters = Json::object();
  const auto nested = config.find("rope_parameters");
  if (const auto own = nested && nested->is_object() ? nested->find(kind) : std::nullopt) {
    if (!own->is_object()) own->fail("expected an object");
    parameters = own->raw();
  }
  if (!parameters.contains("rope_type")) parameters["rope_type"] = parameters.value("type", Json("default"));
  const auto scaling = config.find("rope_scaling");
  if (kind == "full_attention" && scaling && scaling->is_object()) parameters.update(scaling->raw());
  return parameters;
}

RopeSpec rope_of_kind(const JsonView& config, const std::string& kind, std::string_view theta_key, double theta,
                      const RopeRules& rules, const ModelSpec& spec) {
  const Json parameters = parameters_of_kind(config, kind);
  return read_rope(config, JsonView(parameters, fmt::format("{}: rope parameters of {}", config.place(), kind)),
                   theta_key, theta, rules, spec);
}

// Where config.json gives no parameters.
RopeSpec assumed_rope(const JsonView& config, const RopeRules& rules, const ModelSpec& spec) {
  const std::string label = fmt::format("{}: assumed rope_parameters", config.place());
  const Json parameters = parse_json(std::string(rules.assumed), label);
  return read_rope(config, JsonView(parameters, label), rules.theta_key, rules.theta, rules, spec);
}

}  // namespace

std::vector<RopeSpec> ropes_from_config(const JsonView& config, const RopeRules& rules, const ModelSpec& spec) {
  if (rules.by_kind) {
    return {rope_of_kind(config, "full_attention", rules.theta_key, rules.theta, rules, spec),
            rope_of_kind(config, "sliding_attention", rules.local_theta_key, rules.local_theta, rules, spec)};
  }
  if (!rules.assumed.empty() && !parameters_of(config)) return {assumed_rope(config, rules, spec)};
  const auto parameters = parameters_of(config);
  if (parameters) refuse_nested(*parameters);
  return {read_rope(config, parameters, rules.theta_key, rules.theta, rules, spec)};
}

std::vector<std::string> rope_warnings(const JsonView& config, const RopeRules& rules) {
  std::vector<std::string> warnings;
  const auto parameters = rules.by_kind ? std::nullopt : parameters_of(config);
  if (!parameters) return warnings;
  const auto newer = config.find("rope_parameters");
  if (newer && is_true(newer->raw()) && newer->raw() != parameters->raw()) {
    warnings.push_back(
        fmt::format("{}: rope_scaling is used in place of rope_parameters, as transformers does", config.place()));
  }
  const RopeKind& kind = kind_of(parameters, rules);
  std::vector<std::string> unread;
  for (const auto& [key, value] : parameters->raw().items()) {
    const bool read = key == "rope_type" || key == "type" || key == "rope_theta" ||
                      std::ranges::find(kind.keys, key) != kind.keys.end() ||
                      (key == "partial_rotary_factor" && (rules.partial || value == 1)) ||
                      (rules.query_growth && (key == "llama_4_scaling_beta" || key == "max_position_embeddings" ||
                                              key == "original_max_position_embeddings"));
    if (!read && !value.is_null()) unread.push_back(key);
  }
  if (!unread.empty()) {
    warnings.push_back(fmt::format("{}: rope type {} does not read {}; ignored, as transformers does",
                                   parameters->place(), kind.name, quote_all(unread)));
  }
  if (kind.scaling != RopeSpec::Scaling::none && parameters->number_or("factor", 1) < 1) {
    warnings.push_back(fmt::format("{}: factor is less than 1", parameters->place()));
  }
  return warnings;
}

bool is_read_by_rope(const JsonView& config, const RopeRules& rules, const std::string& key) {
  if (key == "rope_theta" || key == "rope_scaling" || key == "rope_parameters") return true;
  if (key == rules.theta_key || key == rules.local_theta_key || key == rules.dims_key) return true;
  if (key == rules.share_key && rules.partial) return true;
  // A share of 1 says nothing; original positions above the parameters are read by the kinds that have such.
  if (key == "partial_rotary_factor") return config.at(key).is_number() && config.at(key).number() == 1;
  if (key != "original_max_position_embeddings") return false;
  if (rules.original_max_positions > 0) return true;
  const auto parameters = parameters_of(config);
  return parameters && kind_of(parameters, rules).scaling >= RopeSpec::Scaling::llama3;
}

}  // namespace sleb
