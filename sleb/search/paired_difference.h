// How sure it is that one candidate is worse than another, from their losses on the same blocks of text.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace sleb {

struct PairedDifference {
  double mean;                  // nats per token
  std::optional<double> error;  // its standard error; nothing below two blocks
  int64_t blocks;
};

// own, other: [blocks], nats summed over the block's tokens, of which there are `tokens`. Blocks follow the text.
//
// Tokens of one text are correlated, so a standard error that takes them for independent is too small. Here it is that
// of batch means (Law, Simulation Modeling and Analysis, 9.5.3): the blocks' own means vary as much as the correlation
// inside a block makes them; correlation beyond a block's end shows in batches of 2, 4, ... blocks, of which the
// largest standard error counts, as long as there are at least eight batches. Blocks of unlike sizes are a ratio
// estimate (Cochran, Sampling Techniques, 6.3).
PairedDifference paired_difference(std::span<const double> own, std::span<const double> other,
                                   std::span<const int64_t> tokens);

// P(T > t) for Student's t with `degrees` >= 1 degrees of freedom, t >= 0 (Abramowitz and Stegun, 26.7.3 and 26.7.4).
// Exact to about 1e-15 in absolute terms.
double student_t_tail(double t, int64_t degrees);

// Whether the difference is above zero beyond doubt: were it not on the whole text, of which `share` (0 to 1) is seen,
// a difference like this would come up with a chance below `level`. The blocks are a sample without replacement of a
// finite text, which makes the error smaller by sqrt(1 - share) (Cochran, 2.6); the text as a whole, and not what it
// was drawn from, is what an exact search would decide on.
bool significantly_positive(const PairedDifference& difference, double share, double level);

}  // namespace sleb
