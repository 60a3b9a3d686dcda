"""The page of the live viewer: the viewer of reports, and what else a program can answer."""

from html import escape
from importlib.resources import files

from im2mesh.visualization.color_bar import ErrorScale
from im2mesh.visualization.report.page import as_script, asset, told_scale
from im2mesh.visualization.viewer.server import MOST_BYTES

CONTENT = """
<header>
  <label>Show <input id="filter" type="search" placeholder="filter" hidden>
    <select id="item"></select></label>
  <select id="span" aria-label="frames"></select>
  <label>Speed <select id="speed"></select></label>
  <label><input id="trails" type="checkbox"> trails</label>
  <label><input id="arrows" type="checkbox"> velocities</label>
  <span id="legend" class="note"></span>
</header>
<p id="state" class="note" role="status">Loading …</p>
<main id="viewer"></main>
<section class="tools" id="model" hidden>
  <strong>Model <span id="modelName"></span></strong>
  <button id="reconstruct">Reconstruct</button>
  <label>grid <select id="grid"></select></label>
  <label>threshold <input id="threshold" type="range" min="0.02" max="0.98" step="0.01"></label>
  <output id="level" for="threshold"></output>
</section>
<p id="nomodel" class="note" hidden>No model answers for this. Of moving meshes, drop the clouds
from which they were made; for others, start the viewer with --weights and a name or file.</p>
<section class="tools">
  <strong>Clouds</strong>
  <span>Drop a cloud, an .npz or numbered clouds here, or</span>
  <input id="files" type="file" multiple aria-label="files of clouds">
  <span>or name a path on the machine of the viewer:</span>
  <input id="path" type="text" aria-label="path"><button id="openPath">Open</button>
</section>
"""


def live_page(title: str, scale: ErrorScale) -> str:
    """HTML of the page, which needs no other site.

    Args:
        title: What is shown, in words.
        scale: Largest error that colours tell apart.
    """
    data = {"windows": [], "errors": told_scale(scale), "largest": MOST_BYTES}
    return "\n".join(
        (
            '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">',
            f"<title>{escape(title)}</title>",
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<link rel="icon" href="data:,">',
            f"<style>{asset('page.css')}{_own('live.css')}</style>",
            CONTENT.strip(),
            f'<script type="application/json" id="data">{as_script(data)}</script>',
            f"<script>{asset('viewer.js')}</script>\n<script>{_own('live.js')}</script>",
            "</html>\n",
        )
    )


def _own(name: str) -> str:
    return files("im2mesh.visualization.viewer").joinpath(name).read_text("utf-8")
