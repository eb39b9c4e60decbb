// Values as dots with bars.

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "sleb/report/figures/figures.h"
#include "sleb/report/figures/scale.h"

namespace sleb::page {
namespace {

constexpr double width = 400;
constexpr double left = 84;
constexpr double right = 108;
constexpr double row_height = 22;
constexpr double title_height = 26;

Scale scale_of(std::span<const DotGroup> groups, DotAxis axis) {
  double least = std::numeric_limits<double>::infinity(), most = -least;
  for (const DotGroup& group : groups) {
    for (const Dot& dot : group.dots) {
      const auto [low, high] = dot.bar.value_or(std::pair(dot.value, dot.value));
      least = std::min({least, low, dot.value}), most = std::max({most, high, dot.value});
    }
  }
  const double from = left + 6, to = width - right - 10;
  if (axis == DotAxis::from_zero) return {Scale::Kind::linear, 0, most, from, to};
  if (axis == DotAxis::linear || least <= 0) return {Scale::Kind::linear, least, most, from, to};
  return {Scale::Kind::logarithmic, least, most, from, to};
}

}  // namespace

Dot dot(result::ModelState model, const result::Measured& measured) {
  Dot dot{.label = std::string(name_of(model)),
          .model = model,
          .value = measured.value,
          .bar = {},
          .text = number_text(measured.value, measured.error)};
  if (measured.error) dot.bar = {measured.value - *measured.error, measured.value + *measured.error};
  return dot;
}

void add_mark(Drawing& drawing, result::ModelState model, double x, double y) {
  switch (model) {
    case result::ModelState::dense:
      return drawing.circle(x, y, 5, "dense");
    case result::ModelState::removed:
      return drawing.rect(x - 4.5, y - 4.5, 9, 9, R"(class="removed")");
    case result::ModelState::repaired:
      return drawing.polygon(fmt::format("{:.1f},{:.1f} {:.1f},{:.1f} {:.1f},{:.1f} {:.1f},{:.1f}", x, y - 6.5, x + 6.5,
                                         y, x, y + 6.5, x - 6.5, y),
                             "repaired");
  }
}

Drawing dot_plot(std::span<const DotGroup> groups, const std::string& axis_title, DotAxis axis) {
  double height = 8;
  for (const DotGroup& group : groups) height += title_height + row_height * static_cast<double>(group.dots.size());
  Drawing drawing(width, height + 44);
  const Scale scale = scale_of(groups, axis);
  for (const Tick& tick : scale.ticks(4)) {
    drawing.line(tick.at, 8, tick.at, height, "grid");
    drawing.text(tick.at, height + 17, tick.text, "small", Anchor::middle);
  }
  drawing.line(left, height, width - right, height, "axis");
  drawing.text(left, height + 36, axis_title, "small");
  double y = 8;
  for (const DotGroup& group : groups) {
    drawing.text(4, y + 18, shortened(group.title, 60), "small strong title");
    y += title_height;
    for (const Dot& dot : group.dots) {
      const double middle = y + row_height / 2;
      drawing.begin_part("point", fmt::format("{}, {}: {}", group.title, dot.label, dot.text),
                         fmt::format(R"(data-value="{}")", exact(dot.value)));
      drawing.text(left - 10, middle + 4, shortened(dot.label, 11), "small", Anchor::end);
      if (dot.bar) drawing.line(scale(dot.bar->first), middle, scale(dot.bar->second), middle, "bar");
      add_mark(drawing, dot.model, scale(dot.value), middle);
      drawing.text(width - 4, middle + 4, dot.text, "small", Anchor::end);
      drawing.end_part();
      y += row_height;
    }
  }
  return drawing;
}

}  // namespace sleb::page
