#include "sleb/engine/decoder/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "sleb/engine/decoder/aten.h"
#include "sleb/engine/decoder/tensor_options.h"

namespace sleb {
namespace {

double dynamic_theta(const RopeSpec& rope, int64_t max_positions, int64_t longest) {
  const auto length = static_cast<double>(std::max(longest, max_positions));
  const double stretch = rope.factor * length / static_cast<double>(max_positions) - (rope.factor - 1);
  const auto dim = static_cast<double>(rope.dims);
  return rope.theta * std::pow(stretch, dim / (dim - 2));
}

float llama3_frequency(const RopeSpec& rope, float frequency) {
  const auto context = static_cast<double>(rope.original_max_positions);
  const double wavelength = 2 * std::numbers::pi / frequency;
  if (wavelength < context / rope.high_freq_factor) return frequency;
  if (wavelength > context / rope.low_freq_factor) return static_cast<float>(frequency / rope.factor);
  const double kept = (context / wavelength - rope.low_freq_factor) / (rope.high_freq_factor - rope.low_freq_factor);
  return static_cast<float>((1 - kept) * frequency / rope.factor + kept * frequency);
}

// The pairs at which YaRN's ramp begins and ends: those that turn beta_fast and beta_slow times over the original
// positions.
struct Ramp {
  double low, high;

  explicit Ramp(const RopeSpec& rope) {
    const auto dim = static_cast<double>(rope.dims);
    const auto pair_that_turns = [&](double turns) {
      return dim * std::log(static_cast<double>(rope.original_max_positions) / (turns * 2 * std::numbers::pi)) /
             (2 * std::log(rope.theta));
    };
    low = pair_that_turns(rope.beta_fast);
    high = pair_that_turns(rope.beta_slow);
    if (rope.truncate) {
      low = std::floor(low);
      high = std::ceil(high);
    }
    low = std::max(low, 0.0);
    high = std::min(high, dim - 1);
    if (low == high) high += 0.001;
  }

  // How much of pair i is interpolated.
  float at(int64_t i) const {
    return static_cast<float>(std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0));
  }
};

float yarn_frequency(const RopeSpec& rope, const Ramp& ramp, int64_t i, float power) {
  const float interpolated = 1.0F / (static_cast<float>(rope.factor) * power);
  return interpolated * ramp.at(i) + 1.0F / power * (1 - ramp.at(i));
}

}  // namespace

at::Tensor rope_frequencies(const RopeSpec& rope, int64_t max_positions, int64_t longest) {
  using Scaling = RopeSpec::Scaling;
  const double theta = rope.scaling == Scaling::dynamic ? dynamic_theta(rope, max_positions, longest) : rope.theta;
  const auto& divisors = longest > rope.original_max_positions ? rope.long_divisors : rope.short_divisors;
  const Ramp ramp(rope);
  at::Tensor frequencies = at::empty({rope.dims / 2}, at::kFloat);
  auto* values = frequencies.mutable_data_ptr<float>();
  for (int64_t i = 0; i < frequencies.numel(); ++i) {
    // In float64 and rounded once: closest to transformers' float32 power.
    const double exponent = static_cast<double>(2 * i) / static_cast<double>(rope.dims);
    const auto power = static_cast<float>(std::pow(theta, exponent));
    values[i] = 1.0F / power;
    if (!rope.frequency_divisors.empty()) {
      values[i] /= rope.frequency_divisors[static_cast<size_t>(i)];
    } else if (rope.scaling == Scaling::linear) {
      values[i] = static_cast<float>(values[i] / rope.factor);
    } else if (rope.scaling == Scaling::llama3) {
      values[i] = llama3_frequency(rope, values[i]);
    } else if (rope.scaling == Scaling::yarn) {
      values[i] = yarn_frequency(rope, ramp, i, power);
    } else if (rope.scaling == Scaling::longrope) {
      values[i] = 1.0F / (divisors[static_cast<size_t>(i)] * power);
    }
  }
  return frequencies;
}

RopeTable::RopeTable(const ModelSpec& spec, const RopeSpec& rope, const Compute& compute, const at::Tensor& positions,
                     int64_t longest) {
  const at::Tensor frequencies = rope_frequencies(rope, spec.max_positions, longest).to(device_of(compute));
  const at::Tensor wide_positions = positions.to(at::kFloat);
  const at::Tensor angles = wide_positions.unsqueeze(-1).mul(frequencies).unsqueeze(-2);
  const auto scaled = [&](const at::Tensor& table) {
    return (rope.attention_factor == 1 ? table : table.mul(rope.attention_factor)).to(tensor_options(compute));
  };
  cos_ = scaled(angles.cos());
  if (!cos_.is_cpu()) {
    std::vector<int64_t> rest = cos_.sizes().vec();
    rest.back() = spec.head_dim - rope.dims;
    cos_ = at::cat({cos_, cos_, at::ones(rest, cos_.options())}, -1);
  }
  sin_ = scaled(angles.sin());
  if (rope.query_growth == 0) return;
  const at::Tensor times = wide_positions.div(static_cast<double>(rope.original_max_positions)).floor_();
  growth_ =
      times.add_(1).log_().mul_(rope.query_growth).add_(1).unsqueeze(-1).unsqueeze(-1).to(tensor_options(compute));
}

RopeTable RopeTable::on(at::Device device) const {
  RopeTable other = *this;
  if (cos_.defined()) {
    other.cos_ = cos_.to(device);
    other.sin_ = sin_.to(device);
    if (growth_.defined()) other.growth_ = growth_.to(device);
  }
  return other;
}

RopeTable RopeTable::row(int64_t position) const {
  RopeTable one;
  if (cos_.defined()) {
    one.cos_ = cos_.narrow(0, position, 1);
    one.sin_ = sin_.narrow(0, position, 1);
    if (growth_.defined()) one.growth_ = growth_.narrow(0, position, 1);
  }
  return one;
}

RopeTable RopeTable::rows(const at::Tensor& positions) const {
  RopeTable chosen;
  if (cos_.defined()) {
    const at::Tensor flat = positions.flatten();
    const auto of = [&](const at::Tensor& table) {
      return table.index_select(0, flat).view({positions.size(0), positions.size(1), 1, table.size(-1)});
    };
    chosen.cos_ = of(cos_);
    chosen.sin_ = of(sin_);
    if (growth_.defined()) chosen.growth_ = of(growth_);
  }
  return chosen;
}

at::Tensor RopeTable::apply(const at::Tensor& heads) const {
  if (!cos_.defined()) return heads;
  if (!heads.is_cpu()) return turned(heads, cos_, sin_);
  turn_in_place(heads, cos_, sin_);
  return heads;
}

at::Tensor RopeTable::grown(const at::Tensor& queries) const {
  return growth_.defined() ? queries.mul(growth_) : queries;
}

RopeTables::RopeTables(const ModelSpec& spec, const Compute& compute, const at::Tensor& positions, int64_t longest) {
  for (const RopeSpec& rope : spec.ropes) tables_.emplace_back(spec, rope, compute, positions, longest);
}

RopeTables RopeTables::on(at::Device device) const {
  RopeTables other;
  for (const RopeTable& table : tables_) other.tables_.push_back(table.on(device));
  return other;
}

RopeTables RopeTables::row(int64_t position) const {
  RopeTables one;
  for (const RopeTable& table : tables_) one.tables_.push_back(table.row(position));
  return one;
}

RopeTables RopeTables::rows(const at::Tensor& positions) const {
  RopeTables chosen;
  for (const RopeTable& table : tables_) chosen.tables_.push_back(table.rows(positions));
  return chosen;
}

const RopeTable& RopeTables::of(int64_t kind) const {
  static const RopeTable none;
  return kind < 0 ? none : tables_[static_cast<size_t>(kind)];
}

void turn_in_place(const at::Tensor& heads, const at::Tensor& cos, const at::Tensor& sin) {
  const int64_t half = sin.size(-1);
  at::Tensor first = heads.narrow(-1, 0, half);
  at::Tensor second = heads.narrow(-1, half, half);
  const at::Tensor old_first = first.clone();
  first.mul_(cos).addcmul_(second, sin, -1);
  second.mul_(cos).addcmul_(old_first, sin);
}

at::Tensor turned(const at::Tensor& heads, const at::Tensor& wide_cos, const at::Tensor& sin) {
  const int64_t half = sin.size(-1);
  at::Tensor result = heads.mul(wide_cos);
  result.narrow(-1, 0, half).addcmul_(heads.narrow(-1, half, half), sin, -1);
  result.narrow(-1, half, half).addcmul_(heads.narrow(-1, 0, half), sin);
  return result;
}

bool rope_depends_on_length(const ModelSpec& spec) {
  return std::ranges::any_of(spec.ropes, [](const RopeSpec& rope) {
    return rope.scaling == RopeSpec::Scaling::dynamic || rope.scaling == RopeSpec::Scaling::longrope;
  });
}

}  // namespace sleb
