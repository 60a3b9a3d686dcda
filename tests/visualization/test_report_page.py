"""A report is one file, which a browser plays from the disk."""

import json
import re
import subprocess
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from im2mesh.evaluation.records import Record
from im2mesh.meshing.mesh import Mesh
from im2mesh.visualization.color_bar import ErrorScale
from im2mesh.visualization.panel import Panel, VertexErrors
from im2mesh.visualization.report import page as page_module
from im2mesh.visualization.report.curves import metric_curves, training_curves
from im2mesh.visualization.report.layers import window_content
from im2mesh.visualization.report.page import Page
from tests.browser import CATCH, CHROMIUM
from tests.meshing.test_animated_files import moving_cube

RUN = """<script>(async () => { SCRIPT })().catch(error => problems.push(String(error))).then(
found => { document.body.dataset.found = JSON.stringify({problems, found}); });</script></html>"""


class Reader(HTMLParser):
    """Collects texts, and the addresses that a browser would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.addresses += [v for k, v in attrs if k in ("src", "href", "srcset")]

    def handle_data(self, data):
        self.texts.append(data.strip())


def cube_panel(frames: int = 6, shared: bool = True) -> Panel:
    """A moving cube of known errors, seen as clouds of its corners."""
    cube = moving_cube()
    meshes = cube.meshes[:frames]
    prediction = dict(enumerate(meshes))
    if not shared:
        prediction[1] = Mesh(meshes[1].vertices, meshes[1].faces[:4])
    errors = {k: np.linspace(0, 0.01 * k, 8) for k in range(frames)}
    inputs = {k: mesh.vertices[:5] for k, mesh in enumerate(meshes)}
    return Panel("a cube", meshes, prediction, inputs, errors=VertexErrors(errors, "matched"))


def cube_page(**more) -> Page:
    panels = {"prediction": cube_panel()}
    records = [Record("c", "clip", 0, k, "iou", 0.5 + k / 20) for k in range(6)]
    return Page(
        "Title & <more>", "Origins\n- test: code 1", "two\nlines", [["a", "b"], ["1", "<2>"]],
        metric_curves({"test": records}),
        windows={"best window": window_content(panels, ErrorScale())},
        training=training_curves({"run": {"validation/iou": {500: 0.5, 1000: 0.75, 3000: 0.8}}}),
        timings=[["seconds of a window", "run"], ["extract", "1.00 (0.50 to 2.00)"]],
        settings={"Settings": "seed: 0 # <any>"}, **more,
    )  # fmt: skip


def test_a_page_needs_no_other_file(tmp_path):
    Image.new("RGB", (4, 2), "red").save(tmp_path / "a.png")
    cube_page(pictures={"one": tmp_path / "a.png"}).write(tmp_path / "report.html")
    text, reader = (tmp_path / "report.html").read_text("utf-8"), Reader()
    reader.feed(text)
    told = {"Title & <more>", "two\nlines", "<2>", "one", "seed: 0 # <any>", "1.00 (0.50 to 2.00)"}
    assert told <= {*reader.texts}
    assert all(address.startswith("data:") for address in reader.addresses)
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")


def test_windows_that_do_not_fit_are_left_out(tmp_path, monkeypatch):
    page = cube_page()
    whole = page.write(tmp_path / "a.html") or (tmp_path / "a.html").stat().st_size
    monkeypatch.setattr(page_module, "MAX_BYTES", whole - 1)
    assert page.write(tmp_path / "a.html") == ["best window"]
    assert (tmp_path / "a.html").stat().st_size < whole


def test_curves_tell_the_spread_between_windows():
    records = [
        Record("c", f"clip_{w}", 0, k, "iou", 0.1 * w + k / 10) for w in range(3) for k in range(2)
    ]
    (curve,) = metric_curves({"run": records, "other": []})
    (line,) = curve["lines"]
    assert curve["title"] == "IoU, higher is better" and line["x"] == [0, 1]
    np.testing.assert_allclose(line["mean"], [0.1, 0.2])
    np.testing.assert_allclose([line["low"][0], line["high"][0]], [0.02, 0.18])


def test_a_training_is_told_in_stretches():
    logged = {"loss/total": {k: float(k) for k in range(1, 1001)}, "nfe/forward": {1: 4.0}}
    scores = {"validation/iou": {500: 0.5, 1000: 0.75}}
    loss, score = sorted(
        training_curves({"run": {**logged, **scores}}), key=lambda curve: curve["title"]
    )
    assert (loss["title"], score["title"]) == ("loss/total", "validation/iou")
    assert score["lines"][0]["x"] == [500, 1000] and score["lines"][0]["mean"] == [0.5, 0.75]
    (line,) = loss["lines"]
    assert line["x"] == list(range(25, 1001, 25)) and line["mean"][0] == 13
    np.testing.assert_allclose([line["low"][0], line["high"][0]], [3.4, 22.6])


def in_browser(page: Path, script: str) -> tuple[list[str], dict]:
    """What goes wrong in a page, and what a script returns that runs behind it."""
    if CHROMIUM is None:
        pytest.skip("needs Chromium: apt install chromium")
    text = page.read_text("utf-8").replace("<meta", f"<script>{CATCH}</script><meta", 1)
    run = RUN.replace("SCRIPT", script)
    page.write_text(text.replace("</html>", run), "utf-8")
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--use-angle=swiftshader",
        "--enable-unsafe-swiftshader", f"--user-data-dir={page.parent / 'browser'}",
        "--virtual-time-budget=8000", "--dump-dom", page.resolve().as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=True)
    found = re.search(r'data-found="([^"]*)"', done.stdout)
    assert found, done.stderr[-2000:]
    result = json.loads(unescape(found[1]))
    return result["problems"], result.get("found")


MOVE = """
const viewer = viewers[0];
await viewer.start();
const part = () => viewer.partOf(viewer.stored.layers.find(layer => layer.name === "prediction"));
const shown = [];
for (const frame of [0, 3]) {
  viewer.slider.value = frame;
  viewer.slider.dispatchEvent(new Event("input"));
  const {gl, canvas} = viewer, pixels = new Uint8Array(4 * canvas.width * canvas.height);
  gl.readPixels(0, 0, canvas.width, canvas.height, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
  shown.push({positions: [...part().shown.positions], drawn: pixels.filter(v => v).length,
    sum: pixels.reduce((sum, v, i) => (sum + v * (i % 8191)) % 1e9, 0)});
}
const box = viewer.panes[1].box.getBoundingClientRect();
viewer.pick({clientX: box.left + box.width / 2, clientY: box.top + box.height / 2});
const turned = viewer.azimuth;
viewer.canvas.dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowRight"}));
const curve = document.querySelector("#training svg"), told = [];
for (const key of ["ArrowRight", "ArrowRight", "ArrowRight", "ArrowRight", "ArrowLeft"]) {
  curve.dispatchEvent(new KeyboardEvent("keydown", {key}));
  told.push(curve.nextSibling.textContent);
}
return {shown, panes: viewer.panes.map(pane => pane.title), turned: viewer.azimuth - turned,
  curves: document.querySelectorAll("#curves svg").length, told,
  wide: document.documentElement.scrollWidth > innerWidth};
"""


def test_the_slider_moves_the_vertices(tmp_path):
    cube_page().write(tmp_path / "report.html")
    problems, found = in_browser(tmp_path / "report.html", MOVE)
    assert problems == []
    assert found["panes"] == ["input", "prediction", "error of prediction (matched)", "truth"]
    cube = moving_cube()
    for shown, frame in zip(found["shown"], (0, 3), strict=True):
        positions = np.reshape(shown["positions"], (-1, 3))
        np.testing.assert_allclose(positions, cube.vertices[frame], atol=5e-4)
        assert shown["drawn"] > 1000
    assert found["shown"][0]["sum"] != found["shown"][1]["sum"]
    values = [(500, 0.5), (1000, 0.75), (3000, 0.8), (3000, 0.8), (1000, 0.75)]
    assert found["told"] == [f"iteration {x}\u2501 run {y:.4f}" for x, y in values]
    assert found["turned"] == 6 and found["curves"] == 1 and not found["wide"]


def test_meshes_without_correspondence_play_frame_by_frame(tmp_path):
    window = window_content({"a": cube_panel(3, shared=False), "b": cube_panel(3)}, ErrorScale())
    Page("Two runs", "Origins", windows={"worst window": window}).write(tmp_path / "report.html")
    script = """
    await viewers[0].start();
    const counts = [0, 1].map(frame => { viewers[0].show(frame);
      return viewers[0].stored.layers.map(layer => viewers[0].partOf(layer).faces.length / 3); });
    return {counts, panes: viewers[0].panes.length};"""
    problems, found = in_browser(tmp_path / "report.html", script)
    assert problems == []
    assert found == {"counts": [[0, 12, 12, 12], [0, 4, 12, 12]], "panes": 6}


def test_of_large_clouds_some_points_are_shown():
    """Of what is observed, as of a truth."""
    cloud = np.random.default_rng(0).random((50_000, 3), np.float32)
    panel = Panel("large", [Mesh.of_points(cloud)], None, {0: cloud})
    layers = window_content({"a": panel}, ErrorScale())["layers"]
    assert [layer["parts"][0]["vertices"] for layer in layers] == [10_000, 10_000]
