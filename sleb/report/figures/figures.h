// The pictures of a report. Colours: cividis for costs; grey, vermilion and blue (Okabe and Ito) with a shape each for
// dense, removed and repaired.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "sleb/report/figures/drawing.h"
#include "sleb/report/result/path.h"
#include "sleb/report/result/prune_result.h"

namespace sleb::page {

// For whom: a page can be pointed at, paper can't.
enum class Medium { page, paper };

enum class Cost { loss, kl };

// What a candidate adds to the loss or the KL divergence of the model that its round began with, nats per token: that
// of the winner on the whole text, and the difference to it. Where the winner was not chosen by this cost, the
// difference of both values, which a candidate that was dropped early has from its part of the text.
double added_cost(const result::PruneResult& result, size_t round, size_t candidate, Cost cost);

// Rounds downwards, blocks across: a cell for each candidate, coloured by what it adds.
Drawing candidate_map(const result::PruneResult& result, Cost cost, Medium medium);
// Races for better sets downwards, their candidates across, the best first.
Drawing race_map(const result::PruneResult& result, Medium medium);

// Which blocks are gone, a line each.
struct Strip {
  std::string label;
  RemovalList removed;
  std::string note;  // to the right
};
Drawing strips(std::span<const Strip> strips, int64_t num_blocks);

// Perplexity on the calibration text, and KL, against blocks removed, the knee marked.
inline constexpr double narrow = 400;  // pixels, as a phone has
Drawing path_plot(const result::PruneResult& result, double width = narrow);
// Of several results: what is added to the loss, in nats per token, and KL.
struct NamedResult {
  std::string name;
  const result::PruneResult* result;
};
Drawing path_plot(std::span<const NamedResult> results, double width = narrow);

// A value with a bar, from `low` to `high`.
struct Dot {
  std::string label;
  result::ModelState model;
  double value;
  std::optional<std::pair<double, double>> bar;
  std::string text;  // the value as it is read
};
struct DotGroup {
  std::string title;
  std::vector<Dot> dots;
};
enum class DotAxis { logarithmic, linear, from_zero };
Drawing dot_plot(std::span<const DotGroup> groups, const std::string& axis_title, DotAxis axis);

// A value and one standard error to both sides.
Dot dot(result::ModelState model, const result::Measured& measured);

// The circle, square or diamond that stands for a model.
void add_mark(Drawing& drawing, result::ModelState model, double x, double y);

// The width of a block in a map of so many.
double cell_width(int64_t num_blocks);
// Block numbers below a map, and what they are.
void add_block_axis(Drawing& drawing, int64_t num_blocks, double left, double top);

}  // namespace sleb::page
