// The path: what removing more and more costs.

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "sleb/report/figures/figures.h"
#include "sleb/report/figures/scale.h"

namespace sleb::page {
namespace {

using result::PathPoint;

constexpr double left = 50;
constexpr double right = 18;
constexpr double loss_height = 190;
constexpr double kl_height = 96;
constexpr double gap = 42;  // between panels, with the lower one's title
constexpr double top = 30;

using Path = std::vector<PathPoint>;

struct Line {
  std::string name;
  Path path;
  std::string cls;  // of its line and points
};

// One quantity against the blocks removed.
struct Panel {
  std::string title;
  Scale x, y;
  double top, height, width;  // width: of the picture

  void draw_axes(Drawing& drawing) const {
    drawing.text(8, top - 12, title, "small");
    for (const Tick& tick : y.ticks(4)) {
      drawing.line(left, tick.at, width - right, tick.at, "grid");
      drawing.text(left - 8, tick.at + 4, tick.text, "small", Anchor::end);
    }
    drawing.line(left, top + height, width - right, top + height, "axis");
  }

  void draw_line(Drawing& drawing, const Line& line, double PathPoint::*value) const {
    std::string points;
    for (const PathPoint& point : line.path) points += fmt::format("{:.1f},{:.1f} ", x(point.blocks), y(point.*value));
    drawing.add(fmt::format(R"(<polyline points="{}" class="path {}"/>)", points, line.cls));
  }
};

// The loss above the divergence.
struct Panels {
  Panel loss, kl;
};

void draw_block_ticks(Drawing& drawing, const Panel& panel, double most) {
  const auto last = static_cast<int64_t>(most), step = std::max(int64_t{1}, (last + 9) / 10);
  for (int64_t blocks = 0; blocks <= last; blocks += step) {
    drawing.text(panel.x(static_cast<double>(blocks)), panel.top + panel.height + 17, std::to_string(blocks), "small",
                 Anchor::middle);
  }
  drawing.text((left + panel.width - right) / 2, panel.top + panel.height + 36, "blocks removed", "small",
               Anchor::middle);
}

// The last that was removed to get there, where a path is of single removals.
std::string added_block(const Path& path, size_t index) {
  if (index == 0) return "";
  const RemovalList &before = path[index - 1].removed, &now = path[index].removed;
  const bool extends = now.size() == before.size() + 1 && std::equal(before.begin(), before.end(), now.begin());
  return extends ? text_of(now.back()) : "";
}

std::string words_of(const std::string& name, const PathPoint& point) {
  return fmt::format("{}{:g} blocks removed ({}): perplexity {}, loss {} nats per token, KL {}",
                     name.empty() ? "" : name + ": ", point.blocks,
                     point.removed.empty() ? "none" : text_of(point.removed), number_text(point.perplexity),
                     number_text(std::log(point.perplexity)), number_text(point.kl));
}

std::string data_of(const PathPoint& point) {
  return fmt::format(R"(data-removed="{}" data-loss="{}" data-kl="{}")", text_of(point.removed), exact(point.loss),
                     exact(point.kl));
}

Scale padded(Scale::Kind kind, double least, double most, double height, double panel_top) {
  if (kind == Scale::Kind::logarithmic) {
    const double pad = std::max(std::pow(most / least, 0.06), 1.005);
    return {kind, least / pad, most * pad, panel_top + height, panel_top};
  }
  return {kind, std::min(0.0, least), most * 1.06, panel_top + height, panel_top};
}

void draw_points(Drawing& drawing, const Panel& panel, const Line& line, bool by_kl, bool labelled) {
  for (size_t i = 0; i < line.path.size(); ++i) {
    const PathPoint& point = line.path[i];
    const double x = panel.x(point.blocks), y = panel.y(by_kl ? point.kl : point.perplexity);
    drawing.begin_part("point", words_of(line.name, point), data_of(point));
    drawing.circle(x, y, 4.5, line.cls);
    drawing.end_part();
    if (labelled) drawing.text(x, y - 10, added_block(line.path, i), "small", Anchor::middle);
  }
}

void draw_knee(Drawing& drawing, const Panel& panel, const PathPoint& knee) {
  const double x = panel.x(knee.blocks);
  drawing.line(x, panel.top, x, panel.top + panel.height, "knee");
  drawing.text(x + 6, panel.top + panel.height - 8, fmt::format("knee: {:g}", knee.blocks), "small");
}

// Greedy's rounds where the path is of better sets.
std::optional<Line> greedy_line(const result::PruneResult& result) {
  if (result.best_sets.empty()) return {};
  return Line{"greedy removal", result::greedy_path(result), "greedy"};
}

// Where each line's name stands in the key, and the height of all.
std::pair<std::vector<std::pair<double, double>>, double> key_layout(std::span<const Line> lines, double width) {
  std::vector<std::pair<double, double>> places;
  double x = left, y = 0;
  for (const Line& line : lines) {
    const double needed = 46 + 6.6 * static_cast<double>(shortened(line.name, 34).size());
    if (x > left && x + needed > width) x = left, y += 20;
    places.emplace_back(x, y);
    x += needed;
  }
  return {places, y + 20};
}

void draw_key(Drawing& drawing, std::span<const Line> lines, double top_of_key) {
  const auto places = key_layout(lines, drawing.width()).first;
  for (size_t i = 0; i < lines.size(); ++i) {
    const Line& line = lines[i];
    const double x = places[i].first, y = top_of_key + places[i].second;
    drawing.add(fmt::format(R"(<polyline points="{},{} {},{}" class="path {}"/>)", x, y, x + 24, y, line.cls));
    drawing.circle(x + 12, y, 4, line.cls);
    drawing.text(x + 30, y + 4, shortened(line.name, 34), "small");
  }
}

double most_blocks(std::span<const Line> lines) {
  double most = 1;
  for (const Line& line : lines) most = std::max(most, line.path.back().blocks);
  return most;
}

std::pair<double, double> range(std::span<const Line> lines, double PathPoint::*value) {
  std::pair<double, double> range = {lines[0].path[0].*value, lines[0].path[0].*value};
  for (const Line& line : lines) {
    for (const PathPoint& point : line.path) {
      range = {std::min(range.first, point.*value), std::max(range.second, point.*value)};
    }
  }
  return range;
}

using Range = std::pair<double, double>;

// `title`, `kind` and `losses`: of the upper panel.
Panels panels_of(std::span<const Line> lines, const std::string& title, Scale::Kind kind, Range losses, double width) {
  const Scale x(Scale::Kind::linear, 0, most_blocks(lines), left + 14, width - right - 14);
  const Scale loss_scale = padded(kind, losses.first, losses.second, loss_height, top);
  const double kl_top = top + loss_height + gap;
  const auto [least, most] = range(lines, &PathPoint::kl);
  const Scale kl_scale = padded(Scale::Kind::linear, least, most, kl_height, kl_top);
  return {{title, x, loss_scale, top, loss_height, width},
          {"KL divergence from the dense model, nats per token", x, kl_scale, kl_top, kl_height, width}};
}

// `value`: what the upper panel shows.
void draw_lines(Drawing& drawing, const Panels& panels, std::span<const Line> lines, double PathPoint::*value) {
  panels.loss.draw_axes(drawing);
  panels.kl.draw_axes(drawing);
  for (const Line& line : lines) {
    panels.loss.draw_line(drawing, line, value);
    panels.kl.draw_line(drawing, line, &PathPoint::kl);
  }
}

}  // namespace

Drawing path_plot(const result::PruneResult& result, double width) {
  std::vector<Line> lines = {{"", result::path_of(result), "removed"}};
  if (auto greedy = greedy_line(result)) {
    lines[0].name = "better sets";
    lines.push_back(std::move(*greedy));
  }
  Range perplexities = range(lines, &PathPoint::perplexity);
  if (result.repair) {
    const double repaired = std::exp(result.per_token(result.repair->loss));
    perplexities = {std::min(perplexities.first, repaired), std::max(perplexities.second, repaired)};
  }
  const Panels panels =
      panels_of(lines, "perplexity on the calibration text", Scale::Kind::logarithmic, perplexities, width);
  const Panel &loss = panels.loss, &kl = panels.kl;
  const bool has_key = lines.size() > 1;
  Drawing drawing(width, kl.top + kl_height + 46 + (has_key ? 28 : 0));
  draw_lines(drawing, panels, lines, &PathPoint::perplexity);
  const auto knee = result::knee_of(lines[0].path);
  if (knee) draw_knee(drawing, loss, lines[0].path[*knee]);
  for (size_t i = lines.size(); i-- > 0;) {
    draw_points(drawing, loss, lines[i], false, i == 0 && lines.size() == 1 && lines[i].path.size() <= 14);
    draw_points(drawing, kl, lines[i], true, false);
  }
  if (result.repair) {
    const double repaired = std::exp(result.per_token(result.repair->loss));
    const double at = loss.x(lines[0].path.back().blocks);
    drawing.begin_part("point", fmt::format("repaired: perplexity {}", number_text(repaired)));
    add_mark(drawing, result::ModelState::repaired, at, loss.y(repaired));
    drawing.end_part();
    drawing.text(at - 10, loss.y(repaired) + 4, "repaired", "small", Anchor::end);
  }
  draw_block_ticks(drawing, kl, most_blocks(lines));
  if (has_key) draw_key(drawing, lines, drawing.height() - 14);
  return drawing;
}

Drawing path_plot(std::span<const NamedResult> results, double width) {
  constexpr size_t styles = 8;
  std::vector<Line> lines;
  for (size_t i = 0; i < results.size(); ++i) {
    Path path = result::path_of(*results[i].result);
    const double dense = path[0].per_token;
    for (PathPoint& point : path) point.per_token -= dense;
    lines.push_back({results[i].name, std::move(path), fmt::format("run run-{}", i % styles)});
  }
  const Panels panels = panels_of(lines, "added to the calibration loss, nats per token", Scale::Kind::linear,
                                  range(lines, &PathPoint::per_token), width);
  const Panel &loss = panels.loss, &kl = panels.kl;
  Drawing drawing(width, kl.top + kl_height + 54 + key_layout(lines, width).second);
  draw_lines(drawing, panels, lines, &PathPoint::per_token);
  for (const Line& line : lines) {
    for (const PathPoint& point : line.path) {
      drawing.begin_part("point", words_of(line.name, point), data_of(point));
      drawing.circle(loss.x(point.blocks), loss.y(point.per_token), 3.5, line.cls);
      drawing.circle(kl.x(point.blocks), kl.y(point.kl), 3.5, line.cls);
      drawing.end_part();
    }
  }
  draw_block_ticks(drawing, kl, most_blocks(lines));
  draw_key(drawing, lines, kl.top + kl_height + 62);
  return drawing;
}

}  // namespace sleb::page
