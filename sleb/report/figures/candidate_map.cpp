// The map of a search: what each block would have cost in each round.

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "sleb/report/figures/figures.h"
#include "sleb/report/figures/scale.h"

namespace sleb::page {
namespace {

using result::Candidate;
using result::PruneResult;
using result::Round;
using result::Score;

constexpr double left = 60;  // of the cells
constexpr double right = 112;
constexpr double row_height = 22;
constexpr double line_height = 17;
constexpr double dropped_height = 0.5;  // of a cell's

std::string name_of(Cost cost) {
  return cost == Cost::loss ? "loss" : "KL";
}

// Colours of costs that lie within three powers of ten; smaller ones look like the smallest.
struct Colours {
  double least;
  double most;

  explicit Colours(const std::vector<double>& costs) : least(0), most(1e-3) {
    for (const double cost : costs) most = std::max(most, cost);
    least = most;
    for (const double cost : costs) {
      if (cost > 0) least = std::min(least, cost);
    }
    least = std::min(std::max(least, most / 1000), most / 10);
  }

  std::string operator()(double cost) const {
    return cividis(Scale(Scale::Kind::logarithmic, least, most, 0, 1)(cost));
  }
};

// Where a unit stands: the left of its cell, and its width.
std::pair<double, double> column(const Removal& removal, const PruneResult& result) {
  const double width = cell_width(result.num_blocks);
  const double x = left + width * static_cast<double>(removal.block);
  if (!removal.half) return {x, width};
  return {*removal.half == Half::mlp ? x + width / 2 : x, width / 2};
}

std::string judged_by(const Score& score, const PruneResult& result) {
  return fmt::format("judged by {} of {} tokens", count_text(score.tokens),
                     count_text(static_cast<int64_t>(result.calibration.tokens())));
}

std::string losses(const Score& score, const PruneResult& result) {
  return fmt::format("loss {}, perplexity {}, KL {}", number_text(score.loss),
                     number_text(std::exp(result.per_token(score.loss))), number_text(score.kl));
}

// What a cell says, a line each.
std::vector<std::string> words_of(const PruneResult& result, size_t index, const Candidate& candidate, double added,
                                  Cost cost) {
  const Round& round = result.rounds[index];
  const bool is_winner = &candidate == &round.candidates[round.winner];
  const char* what = is_winner                                           ? ": removed"
                     : result::is_dropped_early(candidate.score, result) ? ": dropped early"
                     : result::is_near_tie(candidate.score)              ? ": near tie with the removed one"
                                                                         : "";
  const auto& difference = candidate.score.difference;
  return {fmt::format("round {}, block {}{}", index + 1, text_of(candidate.removal), what),
          losses(candidate.score, result),
          fmt::format("adds {} to the {}{}", number_text(added), name_of(cost),
                      is_winner ? ""
                                : fmt::format("; {} above the winner's {}",
                                              number_text(difference.value, difference.error), result.criterion)),
          judged_by(candidate.score, result)};
}

std::string joined(const std::vector<std::string>& lines) {
  std::string text = lines[0];
  for (size_t i = 1; i < lines.size(); ++i) text += "; " + lines[i];
  return text;
}

std::string data_of(size_t round, const Candidate& candidate) {
  return fmt::format(R"(data-round="{}" data-block="{}" data-loss="{}" data-kl="{}" data-tokens="{}")", round + 1,
                     text_of(candidate.removal), exact(candidate.score.loss), exact(candidate.score.kl),
                     candidate.score.tokens);
}

// What a cell says, below the map and as near to it as the picture is wide.
void add_readout(Drawing& drawing, const std::vector<std::string>& lines, double x, double y) {
  const double at = std::clamp(x - 150, 4.0, std::max(4.0, drawing.width() - 330));
  drawing.add(R"(<g class="tip">)");
  for (size_t i = 0; i < lines.size(); ++i) {
    drawing.text(at, y + line_height * static_cast<double>(i), lines[i], i == 0 ? "strong" : "");
  }
  drawing.add("</g>");
}

void add_hint(Drawing& drawing, double y) {
  drawing.text(16, y, "Point at a cell, or tab to it, for its numbers.", "small muted hint");
}

struct Legend {
  std::string title;   // of the colours
  const char* winner;  // what the marked cell of a row is
  bool has_dropped;
};

struct CellLook {
  double x, y, width, height;
  bool removed, near_tie, dropped;
  std::string colour;
};

void add_cell(Drawing& drawing, const CellLook& cell) {
  const double height = (cell.height - 2) * (cell.dropped ? dropped_height : 1);
  drawing.rect(cell.x + 0.75, cell.y + 1 + (cell.height - 2 - height) / 2, cell.width - 1.5, height,
               fmt::format(R"(fill="{}" class="fill")", cell.colour));
  const double x = cell.x + cell.width / 2, y = cell.y + cell.height / 2;
  const double radius = std::min(4.5, cell.width / 2 - 1.5);
  if (cell.removed) drawing.circle(x, y, radius, "removed-mark");
  if (cell.near_tie && !cell.removed) drawing.circle(x, y, radius - 0.5, "tie-mark");
}

void add_colour_bar(Drawing& drawing, const Colours& colours, double x, double y, const std::string& title) {
  constexpr int pieces = 60;
  constexpr double width = 264, height = 10;
  for (int i = 0; i < pieces; ++i) {
    drawing.rect(x + width * i / pieces, y, width / pieces + 0.4, height,
                 fmt::format(R"(fill="{}")", cividis((i + 0.5) / pieces)));
  }
  const Scale scale(Scale::Kind::logarithmic, colours.least, colours.most, x, x + width);
  for (const Tick& tick : scale.ticks(4)) {
    drawing.line(tick.at, y + height, tick.at, y + height + 4, "axis");
    drawing.text(tick.at, y + height + 16, tick.text, "small", Anchor::middle);
  }
  drawing.text(x, y - 6, title, "small");
}

// What the marks mean, in two lines at most; returns the lower end.
double add_key(Drawing& drawing, double x, double y, const Legend& legend) {
  const std::string colour = cividis(0.25);
  const auto one = [&](bool removed, bool near_tie, bool dropped, const char* words) {
    add_cell(drawing, {x, y, 18, row_height, removed, near_tie, dropped, colour});
    drawing.text(x + 24, y + 15, words, "small");
    y += row_height;
  };
  one(true, false, false, legend.winner);
  one(false, true, false, "near tie: within two standard errors");
  if (legend.has_dropped) one(false, false, true, "dropped early: judged by a part of the text");
  return y;
}

bool has_dropped(const PruneResult& result) {
  return std::ranges::any_of(result.rounds, [&](const Round& round) {
    return std::ranges::any_of(round.candidates, [&](const Candidate& candidate) {
      return result::is_dropped_early(candidate.score, result);
    });
  });
}

constexpr double beside = 560;  // the width from which the key has room at the colours' side

double legend_height(double width, bool has_dropped) {
  const double key = row_height * (has_dropped ? 3 : 2);
  const double legend = width > beside ? std::max(48.0, key) : 50 + key;
  return std::max(4 * line_height + 14, legend + 26);
}

// The colours and the marks; on a page they give way to the numbers of the cell that is pointed at.
void add_legend(Drawing& drawing, const Colours& colours, double top, const Legend& legend, Medium medium) {
  drawing.add(R"(<g class="legend">)");
  add_colour_bar(drawing, colours, 16, top + 14, legend.title);
  const bool at_side = drawing.width() > beside;
  const double end = std::max(top + 48, add_key(drawing, at_side ? 320 : 16, at_side ? top : top + 50, legend));
  if (medium == Medium::page) add_hint(drawing, end + 18);
  drawing.add("</g>");
}

}  // namespace

double cell_width(int64_t num_blocks) {
  return num_blocks <= 8 ? 34 : num_blocks <= 40 ? 20 : num_blocks <= 64 ? 15 : 11;
}

void add_block_axis(Drawing& drawing, int64_t num_blocks, double from, double top) {
  const double width = cell_width(num_blocks);
  const int64_t every = num_blocks <= 8 ? 1 : 5;
  for (int64_t block = 0; block < num_blocks; block += every) {
    drawing.text(from + width * (static_cast<double>(block) + 0.5), top + 14, std::to_string(block), "small",
                 Anchor::middle);
  }
  drawing.text(from - 8, top + 14, "block", "small muted", Anchor::end);
}

double added_cost(const PruneResult& result, size_t index, size_t candidate, Cost cost) {
  const Round& round = result.rounds[index];
  const Score& score = round.candidates[candidate].score;
  const Score& winner = round.candidates[round.winner].score;
  const bool decides = (cost == Cost::kl) == (result.criterion == "kl");
  if (cost == Cost::loss) {
    const double before = index == 0 ? result.dense_loss : result.rounds[index - 1].loss;
    if (decides) return result.per_token(round.loss - before) + score.difference.value;
    return result.per_token(score.loss - before);
  }
  double before = 0;
  if (index > 0) before = result.rounds[index - 1].candidates[result.rounds[index - 1].winner].score.kl;
  return decides ? winner.kl - before + score.difference.value : score.kl - before;
}

Drawing candidate_map(const PruneResult& result, Cost cost, Medium medium) {
  std::vector<double> costs;
  for (size_t i = 0; i < result.rounds.size(); ++i) {
    for (size_t k = 0; k < result.rounds[i].candidates.size(); ++k) costs.push_back(added_cost(result, i, k, cost));
  }
  const Colours colours(costs);
  const double rows = row_height * static_cast<double>(result.rounds.size());
  const double width =
      std::max(340.0, left + cell_width(result.num_blocks) * static_cast<double>(result.num_blocks) + right);
  const bool dropped = has_dropped(result);
  const double top = 24, legend_top = top + rows + 34;
  Drawing drawing(width, legend_top + legend_height(width, dropped));
  drawing.text(left - 8, top - 9, "round", "small muted", Anchor::end);
  const double end = left + cell_width(result.num_blocks) * static_cast<double>(result.num_blocks);
  drawing.text(end + 10, top - 9, "removed", "small muted");
  auto next_cost = costs.begin();
  for (size_t i = 0; i < result.rounds.size(); ++i) {
    const Round& round = result.rounds[i];
    const double y = top + row_height * static_cast<double>(i);
    drawing.text(left - 8, y + 15, std::to_string(i + 1), "small", Anchor::end);
    drawing.line(left, y + row_height / 2, end, y + row_height / 2, "faint");
    for (size_t k = 0; k < round.candidates.size(); ++k) {
      const Candidate& candidate = round.candidates[k];
      const double added = *next_cost++;
      const auto lines = words_of(result, i, candidate, added, cost);
      const auto [x, cell] = column(candidate.removal, result);
      drawing.begin_part("cell", joined(lines), data_of(i, candidate));
      add_cell(drawing, {x, y, cell, row_height, k == round.winner, result::is_near_tie(candidate.score),
                         result::is_dropped_early(candidate.score, result), colours(added)});
      if (medium == Medium::page) add_readout(drawing, lines, x, legend_top + 14);
      drawing.end_part();
    }
    drawing.text(end + 10, y + 15, text_of(round.removed), "small strong");
  }
  add_block_axis(drawing, result.num_blocks, left, top + rows);
  add_legend(drawing, colours, legend_top,
             {fmt::format("added to the {}, nats per token", cost == Cost::loss ? "loss" : "KL divergence"), "removed",
              dropped},
             medium);
  return drawing;
}

Drawing race_map(const PruneResult& result, Medium medium) {
  constexpr double names = 132;
  size_t most = 1;
  std::vector<double> costs;
  for (const result::Race& race : result.races) {
    most = std::max(most, race.candidates.size());
    for (const auto& candidate : race.candidates) costs.push_back(candidate.score.difference.value);
  }
  const Colours colours(costs);
  const double cell = cell_width(static_cast<int64_t>(most)), top = 24;
  const double rows = row_height * static_cast<double>(result.races.size());
  const double width = std::max(340.0, names + cell * static_cast<double>(most) + 16);
  const double legend_top = top + rows + 16;
  Drawing drawing(width, legend_top + legend_height(width, true));
  drawing.text(names - 8, top - 9, "race", "small muted", Anchor::end);
  drawing.text(names, top - 9, "candidates, the best first", "small muted");
  for (size_t i = 0; i < result.races.size(); ++i) {
    const result::Race& race = result.races[i];
    const double y = top + row_height * static_cast<double>(i);
    drawing.text(names - 8, y + 15, shortened(race.step, 20), "small", Anchor::end);
    std::vector<const result::SetCandidate*> order;
    for (const auto& candidate : race.candidates) order.push_back(&candidate);
    std::ranges::stable_sort(order, {}, [](const auto* candidate) { return candidate->score.difference.value; });
    for (size_t k = 0; k < order.size(); ++k) {
      const Score& score = order[k]->score;
      const bool is_best = order[k]->blocks == race.best;
      const std::vector<std::string> lines = {
          fmt::format("{}: without {}", race.step, shortened(text_of(order[k]->blocks), 40)), losses(score, result),
          fmt::format("{} above the best's {}", number_text(score.difference.value, score.difference.error),
                      result.criterion),
          judged_by(score, result)};
      drawing.begin_part("cell", joined(lines));
      const double x = names + cell * static_cast<double>(k);
      add_cell(drawing, {x, y, cell, row_height, is_best, result::is_near_tie(score),
                         result::is_dropped_early(score, result), colours(score.difference.value)});
      if (medium == Medium::page) add_readout(drawing, lines, x, legend_top + 14);
      drawing.end_part();
    }
  }
  add_legend(drawing, colours, legend_top,
             {fmt::format("above the best's {}, nats per token", result.criterion == "kl" ? "KL" : "loss"),
              "the best of its race", true},
             medium);
  return drawing;
}

}  // namespace sleb::page
