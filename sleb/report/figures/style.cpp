#include "sleb/report/figures/style.h"

#include <fmt/core.h>

namespace sleb::page {
namespace {

constexpr std::string_view light = R"(
  --paper: #ffffff; --ink: #1d2126; --muted: #5b636c; --line: #8b939c; --grid: #e3e6ea; --panel: #f5f6f8;
  --dense: #5b636c; --removed: #c04a00; --repaired: #0067a5; --kept: #dfe3e8; --edge: none; --link: #0067a5;
  --run-0: #0072b2; --run-1: #c04a00; --run-2: #00815d; --run-3: #a8478a; --run-4: #8a6d00; --run-5: #2f8fc4;
  --run-6: #5b636c; --run-7: #1d2126;)";

constexpr std::string_view dark = R"(
  --paper: #15181c; --ink: #e8eaed; --muted: #a3abb5; --line: #6f7883; --grid: #2c3138; --panel: #1d2126;
  --dense: #b4bcc6; --removed: #ff9a4d; --repaired: #62b8f0; --kept: #363d46; --edge: #5c6773; --link: #7cc4f5;
  --run-0: #56b4e9; --run-1: #ff9a4d; --run-2: #3cc79c; --run-3: #dd8fc2; --run-4: #e2c64a; --run-5: #9fd3f2;
  --run-6: #a3abb5; --run-7: #e8eaed;)";

// Of the shapes in a picture.
constexpr std::string_view shapes = R"(
svg { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
svg text { fill: var(--ink); }
svg .small { font-size: 12px; }
svg .strong { font-weight: 600; }
svg .heading { font-size: 16px; font-weight: 600; }
svg .muted { fill: var(--muted); }
.axis { stroke: var(--line); stroke-width: 1; }
.grid { stroke: var(--grid); stroke-width: 1; }
.faint { stroke: var(--grid); stroke-width: 1; }
.knee { stroke: var(--muted); stroke-width: 1.2; stroke-dasharray: 4 3; }
.bar { stroke: var(--ink); stroke-width: 1.6; }
.fill { stroke: var(--edge); stroke-width: 1; }
.removed-mark { fill: #ffffff; stroke: #000000; stroke-width: 1.6; }
.tie-mark { fill: none; stroke: #000000; stroke-width: 1.3; }
.kept { fill: var(--kept); }
.gone { fill: var(--removed); }
.dense { fill: var(--paper); stroke: var(--dense); stroke-width: 2; }
.removed { fill: var(--removed); stroke: var(--paper); stroke-width: 1; }
.repaired { fill: var(--repaired); stroke: var(--paper); stroke-width: 1; }
.greedy { fill: var(--paper); stroke: var(--muted); stroke-width: 1.5; }
.path { fill: none; stroke-width: 2; stroke-linejoin: round; }
.path.removed { fill: none; stroke: var(--removed); stroke-width: 2; }
.path.greedy { fill: none; stroke: var(--muted); stroke-width: 1.5; stroke-dasharray: 5 3; }
.run { stroke: var(--paper); stroke-width: 1; }
.run.path { fill: none; stroke-width: 2; }
.run-0 { fill: var(--run-0); } .run-0.path { stroke: var(--run-0); }
.run-1 { fill: var(--run-1); } .run-1.path { stroke: var(--run-1); stroke-dasharray: 7 3; }
.run-2 { fill: var(--run-2); } .run-2.path { stroke: var(--run-2); stroke-dasharray: 2 3; }
.run-3 { fill: var(--run-3); } .run-3.path { stroke: var(--run-3); stroke-dasharray: 9 3 2 3; }
.run-4 { fill: var(--run-4); } .run-4.path { stroke: var(--run-4); stroke-dasharray: 12 4; }
.run-5 { fill: var(--run-5); } .run-5.path { stroke: var(--run-5); stroke-dasharray: 4 2; }
.run-6 { fill: var(--run-6); } .run-6.path { stroke: var(--run-6); stroke-dasharray: 1 2; }
.run-7 { fill: var(--run-7); } .run-7.path { stroke: var(--run-7); stroke-dasharray: 6 2 1 2; }
)";

constexpr std::string_view layout = R"(
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink); line-height: 1.55;
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 1060px; margin: 0 auto; padding: 32px 24px 64px; }
h1 { font-size: 1.75rem; line-height: 1.25; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 48px 0 4px; overflow-wrap: anywhere; }
h3 { font-size: 1rem; margin: 28px 0 4px; overflow-wrap: anywhere; }
p { max-width: 46rem; margin: 8px 0; overflow-wrap: anywhere; }
a { color: var(--link); }
.lead { font-size: 1.2rem; line-height: 1.5; margin: 16px 0 0; }
.note { color: var(--muted); font-size: 0.94rem; }
figure { margin: 16px 0 8px; }
figcaption { color: var(--muted); font-size: 0.94rem; max-width: 46rem; margin-top: 6px; }
.scroll { overflow-x: auto; padding: 4px 0; }
.scroll:focus-visible, summary:focus-visible, a:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
figure svg { display: block; }
figure.plot svg { width: 100%; max-width: 480px; height: auto; }
.pair { columns: 2 380px; column-gap: 48px; }
.pair section { break-inside: avoid; padding-top: 1px; }
.pair h2 { margin-top: 40px; }
.cell, .point { outline: none; }
.cell:hover .fill, .cell:focus .fill { stroke: var(--ink); stroke-width: 2; }
.point:hover circle, .point:focus circle, .point:hover rect, .point:focus rect, .point:hover polygon,
.point:focus polygon { stroke: var(--ink); stroke-width: 2.5; }
.tip { display: none; }
.cell:hover .tip, .cell:focus .tip { display: inline; }
svg:has(.cell:hover) .cell:focus:not(:hover) .tip { display: none; }
svg:has(.cell:hover) .legend, svg:has(.cell:focus) .legend { visibility: hidden; }
table { border-collapse: collapse; font-size: 0.94rem; font-variant-numeric: tabular-nums; margin: 8px 0; }
th, td { text-align: right; padding: 5px 14px 5px 0; border-bottom: 1px solid var(--grid); vertical-align: top; }
th { font-weight: 600; }
thead th { border-bottom-color: var(--line); vertical-align: bottom; }
th:first-child, td.words, th.words { text-align: left; }
th:first-child { min-width: 5.5rem; max-width: 16rem; overflow-wrap: break-word; }
td { white-space: nowrap; }
td.words { white-space: normal; max-width: 22rem; }
td.list { white-space: normal; min-width: 10rem; }
tr.chosen td, tr.chosen th { font-weight: 600; }
caption { text-align: left; color: var(--muted); padding-bottom: 4px; }
details { margin: 12px 0; }
summary { cursor: pointer; padding: 4px 0; }
pre { background: var(--panel); padding: 12px 14px; border-radius: 6px; white-space: pre-wrap; overflow-wrap: anywhere;
  font: 0.9rem/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 20px; margin: 12px 0; max-width: 60rem; }
dt { color: var(--muted); } dd { margin: 0; overflow-wrap: anywhere; }
.sideways { display: none; font-size: 0.85rem; }
.skip { position: absolute; left: -10000px; }
.skip:focus { position: static; }
@media screen and (max-width: 760px) { .sideways { display: block; } }
@media (max-width: 560px) {
  main { padding: 20px 16px 48px; }
  h1 { font-size: 1.4rem; } .lead { font-size: 1.08rem; }
  dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: 8px; }
}
@media print {
  @page { margin: 16mm 14mm; }
  body { font-size: 10.5pt; } main { max-width: none; padding: 0; }
  .pair { columns: auto; } .scroll { overflow: visible; } figure svg { max-width: 100%; height: auto; }
  figure, tr, pre { break-inside: avoid; } h2, h3 { break-after: avoid; }
  .hint, .skip, .sideways { display: none; }
  .fill, .kept, .gone, svg rect { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
)";

}  // namespace

std::string page_style() {
  return fmt::format(
      ":root {{ color-scheme: light dark; {} }}\n"
      "@media screen and (prefers-color-scheme: dark) {{ :root {{ {} }} }}\n{}{}",
      light, dark, shapes, layout);
}

std::string picture_style() {
  return fmt::format("svg {{ {} }}{}", light, shapes);
}

}  // namespace sleb::page
