// Which blocks are gone.

#include <fmt/core.h>

#include <algorithm>

#include "sleb/report/figures/figures.h"

namespace sleb::page {

Drawing strips(std::span<const Strip> strips, int64_t num_blocks) {
  constexpr double notes = 96, top = 6, row_height = 22;
  size_t longest = 6;
  for (const Strip& strip : strips) longest = std::max(longest, std::min<size_t>(strip.label.size(), 17));
  const double names = 14 + 6.9 * static_cast<double>(longest);
  const double cell = cell_width(num_blocks), width = cell * static_cast<double>(num_blocks);
  const double rows = row_height * static_cast<double>(strips.size());
  const bool has_notes = std::ranges::any_of(strips, [](const Strip& strip) { return !strip.note.empty(); });
  Drawing drawing(names + width + (has_notes ? notes : 16), top + rows + 24);
  for (size_t i = 0; i < strips.size(); ++i) {
    const double y = top + row_height * static_cast<double>(i);
    drawing.begin_part("cell", fmt::format("{}: without {}", strips[i].label, text_of(strips[i].removed)));
    drawing.text(names - 8, y + 15, shortened(strips[i].label, 17), "small", Anchor::end);
    for (int64_t block = 0; block < num_blocks; ++block) {
      drawing.rect(names + cell * static_cast<double>(block) + 1, y + 3, cell - 2, row_height - 6, R"(class="kept")");
    }
    for (const Removal& removal : strips[i].removed) {
      const double x = names + cell * static_cast<double>(removal.block);
      const double from = removal.half == Half::mlp ? x + cell / 2 : x;
      drawing.rect(from + 1, y + 3, (removal.half ? cell / 2 : cell) - 2, row_height - 6, R"(class="gone")");
    }
    drawing.text(names + width + 8, y + 15, strips[i].note, "small");
    drawing.end_part();
  }
  add_block_axis(drawing, num_blocks, names, top + rows);
  return drawing;
}

}  // namespace sleb::page
