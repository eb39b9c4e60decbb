#include "sleb/engine/decoder/rope.h"

#include <cmath>
#include <numbers>

#include "sleb/engine/decoder/aten.h"
#include "sleb/engine/decoder/tensor_options.h"

namespace sleb {
namespace {

double dynamic_theta(const ModelSpec& spec, int64_t longest) {
  const auto length = static_cast<double>(std::max(longest, spec.max_positions));
  const double stretch = spec.rope.factor * length / static_cast<double>(spec.max_positions) - (spec.rope.factor - 1);
  const auto dim = static_cast<double>(spec.head_dim);
  return spec.rope.theta * std::pow(stretch, dim / (dim - 2));
}

float llama3_frequency(const RopeSpec& rope, float frequency) {
  const auto context = static_cast<double>(rope.original_max_positions);
  const double wavelength = 2 * std::numbers::pi / frequency;
  if (wavelength < context / rope.high_freq_factor) return frequency;
  if (wavelength > context / rope.low_freq_factor) return static_cast<float>(frequency / rope.factor);
  const double kept = (context / wavelength - rope.low_freq_factor) / (rope.high_freq_factor - rope.low_freq_factor);
  return static_cast<float>((1 - kept) * frequency / rope.factor + kept * frequency);
}

}  // namespace

at::Tensor rope_frequencies(const ModelSpec& spec, int64_t longest) {
  const RopeSpec& rope = spec.rope;
  const double theta = rope.scaling == RopeSpec::Scaling::dynamic ? dynamic_theta(spec, longest) : rope.theta;
  at::Tensor frequencies = at::empty({spec.head_dim / 2}, at::kFloat);
  auto* values = frequencies.mutable_data_ptr<float>();
  for (int64_t i = 0; i < frequencies.numel(); ++i) {
    // In float64 and rounded once: closest to transformers' float32 power.
    const double exponent = static_cast<double>(2 * i) / static_cast<double>(spec.head_dim);
    values[i] = 1.0F / static_cast<float>(std::pow(theta, exponent));
    if (!rope.frequency_divisors.empty()) {
      values[i] /= rope.frequency_divisors[static_cast<size_t>(i)];
    } else if (rope.scaling == RopeSpec::Scaling::linear) {
      values[i] = static_cast<float>(values[i] / rope.factor);
    } else if (rope.scaling == RopeSpec::Scaling::llama3) {
      values[i] = llama3_frequency(rope, values[i]);
    }
  }
  return frequencies;
}

RopeTable::RopeTable(const ModelSpec& spec, const Compute& compute, const at::Tensor& positions, int64_t longest) {
  if (spec.position != PositionKind::rotary) return;
  const at::Tensor frequencies = rope_frequencies(spec, longest).to(device_of(compute));
  const at::Tensor angles = positions.to(at::kFloat).unsqueeze(-1).mul(frequencies).unsqueeze(-2);
  cos_ = angles.cos().to(tensor_options(compute));
  if (!cos_.is_cpu()) cos_ = at::cat({cos_, cos_}, -1);
  sin_ = angles.sin().to(tensor_options(compute));
}

RopeTable RopeTable::on(at::Device device) const {
  RopeTable other = *this;
  if (cos_.defined()) {
    other.cos_ = cos_.to(device);
    other.sin_ = sin_.to(device);
    if (turn_.defined()) other.turn_ = turn_.to(device);
  }
  return other;
}

RopeTable RopeTable::row(int64_t position) const {
  RopeTable one;
  if (cos_.defined()) {
    one.cos_ = cos_.narrow(0, position, 1);
    one.sin_ = sin_.narrow(0, position, 1);
    if (!cos_.is_cpu()) one.turn_ = turning_matrix(one.cos_.unsqueeze(0), one.sin_.unsqueeze(0));
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
    if (!cos_.is_cpu() && positions.size(1) == 1) chosen.turn_ = turning_matrix(chosen.cos_, chosen.sin_);
  }
  return chosen;
}

at::Tensor RopeTable::apply(const at::Tensor& heads) const {
  if (!cos_.defined()) return heads;
  if (turn_.defined()) return turned_by_product(heads, turn_);
  if (!heads.is_cpu()) return turned(heads, cos_, sin_);
  turn_in_place(heads, cos_, sin_);
  return heads;
}

void turn_in_place(const at::Tensor& heads, const at::Tensor& cos, const at::Tensor& sin) {
  const int64_t half = heads.size(-1) / 2;
  at::Tensor first = heads.narrow(-1, 0, half);
  at::Tensor second = heads.narrow(-1, half, half);
  const at::Tensor old_first = first.clone();
  first.mul_(cos).addcmul_(second, sin, -1);
  second.mul_(cos).addcmul_(old_first, sin);
}

at::Tensor turned(const at::Tensor& heads, const at::Tensor& wide_cos, const at::Tensor& sin) {
  const int64_t half = heads.size(-1) / 2;
  at::Tensor result = heads.mul(wide_cos);
  result.narrow(-1, 0, half).addcmul_(heads.narrow(-1, half, half), sin, -1);
  result.narrow(-1, half, half).addcmul_(heads.narrow(-1, 0, half), sin);
  return result;
}

at::Tensor turned_by_product(const at::Tensor& heads, const at::Tensor& turning) {
  const at::Tensor rows = heads.select(1, 0);  // [batch, heads, head_dim]
  return at::bmm(rows, turning.expand({rows.size(0), -1, -1})).unsqueeze(1);
}

at::Tensor turning_matrix(const at::Tensor& wide_cos, const at::Tensor& sin) {
  const int64_t batch = wide_cos.size(0), head_dim = wide_cos.size(-1), half = head_dim / 2;
  at::Tensor matrix = at::zeros({batch, head_dim, head_dim}, wide_cos.options());
  const auto diagonal = [&](int64_t offset) { return matrix.diagonal(offset, 1, 2); };
  diagonal(0).copy_(wide_cos.view({batch, head_dim}));
  diagonal(half).copy_(sin.view({batch, half}));
  diagonal(-half).copy_(sin.view({batch, half}).neg());
  return matrix;
}

bool rope_depends_on_length(const ModelSpec& spec) {
  return spec.position == PositionKind::rotary && spec.rope.scaling == RopeSpec::Scaling::dynamic;
}

}  // namespace sleb
