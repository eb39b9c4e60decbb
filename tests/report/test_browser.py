"""A report in a browser: it asks for nothing, says nothing on the console, and fits a phone, a tablet and a desk, light
and dark. Needs Debian's chromium (scripts/setup.sh browser); skipped where there is none."""
import http.server
import json
import pathlib
import re
import shutil
import subprocess
import threading

import pytest

from searches import SEARCHES

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: scripts/setup.sh browser installs it")

WIDTHS = (375, 800, 1400)
PAGES = [*SEARCHES, "several"]

# Frames of each width show the page; what is measured in them ends in the outer page's text.
HARNESS = """<!DOCTYPE html><link rel="icon" href="data:,"><body><pre id="found"></pre><script>
function overlap(a, b) {
  return Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1.5 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3;
}
function measure(frame, width) {
  const page = frame.contentDocument, clipped = [], overlapping = [];
  for (const svg of page.querySelectorAll("svg")) {
    if (!svg.getClientRects().length) continue;
    const all = svg.getBoundingClientRect(), texts = [];
    for (const text of svg.querySelectorAll("text")) {
      const box = text.getBoundingClientRect();
      if (!box.width) continue;
      if (box.left < all.left - 1 || box.right > all.right + 1 || box.top < all.top - 1 || box.bottom > all.bottom + 1)
        clipped.push(text.textContent);
      for (const [other, words] of texts) if (overlap(box, other)) overlapping.push(words + " | " + text.textContent);
      texts.push([box, text.textContent]);
    }
  }
  const style = frame.contentWindow.getComputedStyle(page.body);
  return {width, wide: page.documentElement.scrollWidth, inner: frame.contentWindow.innerWidth, clipped, overlapping,
          background: style.backgroundColor, ink: style.color,
          cells: page.querySelectorAll(".cell[tabindex='0'] > title").length};
}
const widths = WIDTHS, found = [];
for (const width of widths) {
  const frame = document.createElement("iframe");
  frame.style.cssText = `width:${width}px;height:900px;border:0;display:block`;
  frame.onload = () => {
    for (const details of frame.contentDocument.querySelectorAll("details")) details.open = true;
    found.push(measure(frame, width));
    if (found.length == widths.length) document.getElementById("found").textContent = JSON.stringify(found);
  };
  frame.src = "PAGE.html";
  document.body.append(frame);
}
</script>"""


@pytest.fixture(scope="module")
def site(sleb_ok, results, tmp_path_factory):
    """A server of the pages that keeps what it was asked for."""
    folder = tmp_path_factory.mktemp("site")
    for name, result in results.items():
        shutil.copy(result.with_suffix(".html"), folder)
    sleb_ok("report", *results.values(), "-o", folder / "several.html")
    for name in PAGES:
        harness = HARNESS.replace("WIDTHS", json.dumps(WIDTHS)).replace("PAGE", name)
        (folder / f"measure-{name}.html").write_text(harness)
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=folder)

        def log_message(self, _, request, *rest):
            asked.append(request)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()


def browse(url: str, tmp_path: pathlib.Path, *options) -> tuple[str, list[str]]:
    """What a page becomes, and what it says on the console."""
    done = subprocess.run([CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--v=0",
                           "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", f"--user-data-dir={tmp_path / 'profile'}",
                           "--virtual-time-budget=20000", *options, url],
                          capture_output=True, text=True, timeout=180, check=True)
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_fits_every_width_and_theme(site, tmp_path, name, theme):
    url, _ = site
    dark = ["--blink-settings=preferredColorScheme=0"] if theme == "dark" else []
    text, said = browse(f"{url}/measure-{name}.html", tmp_path, "--dump-dom", *dark)
    assert not said, said
    found = json.loads(re.search(r'<pre id="found">(.*?)</pre>', text, re.DOTALL)[1].replace("&amp;", "&").replace("&gt;", ">"))
    assert sorted(one["width"] for one in found) == sorted(WIDTHS)
    for one in found:
        assert one["inner"] == one["width"]
        assert one["wide"] <= one["width"], f"at {one['width']} pixels the page scrolls sideways"
        assert not one["clipped"] and not one["overlapping"], (one["width"], one["clipped"], one["overlapping"])
        light = [sum(map(int, re.findall(r"\d+", one[what])[:3])) / 3 for what in ("background", "ink")]
        assert (light[0] < 60 and light[1] > 190) if theme == "dark" else (light[0] > 240 and light[1] < 60)
        assert one["cells"] > 10


@pytest.mark.parametrize("name", PAGES)
def test_asks_for_nothing_else(site, tmp_path, name):
    url, asked = site
    asked.clear()
    text, said = browse(f"{url}/{name}.html", tmp_path, "--dump-dom")
    assert asked == [f"GET /{name}.html HTTP/1.1"] and not said
    assert re.findall(r"https?://[^\"'<\s]*", text.replace(url, "")) == ["http://www.w3.org/2000/svg"] * text.count("<svg")


def test_prints(site, tmp_path):
    """A page of paper holds the widest picture: nothing is cut off, as nothing is wider than the sheet."""
    url, _ = site
    browse(f"{url}/best.html", tmp_path, f"--print-to-pdf={tmp_path / 'page.pdf'}", "--no-pdf-header-footer")
    pdf = (tmp_path / "page.pdf").read_bytes()
    assert pdf.startswith(b"%PDF") and len(re.findall(rb"/Type\s*/Page\b", pdf)) >= 2
