#include "sleb/engine/sequences/token_choice.h"

#include <algorithm>

#include "sleb/engine/decoder/aten.h"
#include "sleb/engine/decoder/tensor_options.h"

namespace sleb {

at::Tensor TokenChoice::operator()(const at::Tensor& logits) const {
  if (temperature_ == 0) return logits.argmax(-1);
  const at::Tensor scaled = logits.to(at::kDouble).div(temperature_);
  const at::Tensor sums = at::_softmax(scaled, -1, /*half_to_float=*/false).cumsum(-1);
  std::vector<double> shares(static_cast<size_t>(sums.size(0)));
  for (size_t i = 0; i < shares.size(); ++i) shares[i] = share_(static_cast<int64_t>(i));
  return sums.is_cpu() ? draw_on_host(sums, shares) : draw_on_device(sums, shares);
}

at::Tensor draw_on_host(const at::Tensor& sums, const std::vector<double>& shares) {
  const int64_t vocabulary = sums.size(1);
  const at::Tensor rows = sums.contiguous();
  at::Tensor ids = at::empty({rows.size(0)}, at::kLong);
  for (int64_t i = 0; i < rows.size(0); ++i) {
    const auto* row = rows.const_data_ptr<double>() + i * vocabulary;
    const double drawn = shares[static_cast<size_t>(i)] * row[vocabulary - 1];
    ids.mutable_data_ptr<int64_t>()[i] =
        std::min<int64_t>(std::upper_bound(row, row + vocabulary, drawn) - row, vocabulary - 1);
  }
  return ids;
}

at::Tensor draw_on_device(const at::Tensor& sums, const std::vector<double>& shares) {
  const int64_t vocabulary = sums.size(1);
  at::Tensor on_host = at::empty({sums.size(0), 1}, at::kDouble);
  std::ranges::copy(shares, on_host.mutable_data_ptr<double>());
  const at::Tensor drawn = upload(on_host, sums.device()).mul(sums.narrow(1, vocabulary - 1, 1));
  return at::searchsorted(sums, drawn, /*out_int32=*/false, /*right=*/true).clamp_max_(vocabulary - 1).squeeze(1);
}

}  // namespace sleb
