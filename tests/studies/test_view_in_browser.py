"""The live viewer in a real browser: what is drawn follows the slider, the model and the marks."""

import threading

import numpy as np
import pytest

from im2mesh.visualization.viewer.page import live_page
from im2mesh.visualization.viewer.question import Question
from im2mesh.visualization.viewer.server import LiveServer
from tests.browser import Tab, browser
from tests.studies.test_viewer import SPEED, clouds, desk, model  # noqa: F401, for pytest

DRAWN = """
const {gl, canvas} = page.viewer, pixels = new Uint8Array(4 * canvas.width * canvas.height);
page.viewer.draw();
gl.readPixels(0, 0, canvas.width, canvas.height, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
let sum = 0;
pixels.forEach((v, i) => { sum = (sum + v * (i % 8191)) % 1e9; });
const part = page.viewer.moving.at(-1);
return {sum, positions: Array.from(part.shown.positions), state: state.textContent,
  label: page.viewer.output.value, panes: page.viewer.panes.map(pane => pane.title)};
"""


@pytest.fixture
def tab(tmp_path, desk):  # noqa: F811
    with (
        LiveServer(live_page("test", desk.scale), desk.routes, "127.0.0.1", 0) as server,
        browser(tmp_path / "browser") as tab,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        tab.open(server.url)
        tab.run("await page.started; await page.show(3);")
        yield tab
        assert tab.run("return problems") == []
        server.shutdown()


def slide(tab: Tab, frame: float) -> None:
    """Move the slider, as a hand does."""
    tab.run(f"""const {{slider}} = page.viewer; slider.value = {frame};
        slider.dispatchEvent(new Event("input"));""")


def points(drawn: dict) -> np.ndarray:
    return np.reshape(drawn["positions"], (-1, 3))


def test_the_slider_moves_what_is_drawn(tab):
    before = tab.run(DRAWN)
    slide(tab, 2.5)
    after = tab.run(DRAWN)
    assert before["panes"] == ["truth"]
    assert before["sum"] != after["sum"]
    assert after["label"] == "t = 0.625, 0.042 s, frame 2.5 of 4"
    assert np.abs(points(after) - points(before)).max() > 0.01


def test_marks_are_drawn_and_taken_away(tab):
    slide(tab, 3)
    sums = [tab.run(DRAWN)["sum"]]
    for name in ("trails", "arrows", "arrows", "trails"):
        tab.run(f"{name}.click();")
        sums.append(tab.run(DRAWN)["sum"])
    assert len({*sums[:3]}) == 3 and sums[3] == sums[1] and sums[4] == sums[0]
    assert tab.run("arrows.click(); return legend.textContent").endswith("body lengths a second.")


def test_it_plays_at_the_speed_that_is_chosen(tab):
    times = tab.run("""
    const found = [];
    for (const rate of [0.1, 4]) {
      speed.value = rate; speed.onchange();
      found.push(page.viewer.rate);
    }
    page.viewer.button.click();
    const frames = new Set();
    for (let k = 0; k < 20; k++) {
      await new Promise(requestAnimationFrame);
      frames.add(page.viewer.frame);
    }
    page.viewer.button.click();
    return {rates: found, frames: frames.size, playing: page.viewer.playing};""")
    np.testing.assert_allclose(times["rates"], [6, 240])  # of 60 frames a second
    assert times["frames"] > 5 and times["playing"] == 0


def test_the_model_answers_at_any_time(tab):
    tab.run("grid.value = 32; await page.reconstruct();")
    drawn = tab.run(DRAWN)
    assert drawn["panes"] == [
        "input", "model exact", "error of model exact (matched)", "truth"
    ]  # fmt: skip
    start = tab.run("return Array.from(page.layer.parts[0].positionsAt(0))")
    slide(tab, 1.3)
    tab.run("while (page.flowing) await new Promise(done => setTimeout(done, 20));")
    moved = tab.run("return Array.from(page.viewer.moved(page.layer.parts[0]).positions)")
    x, y, z = np.reshape(start, (-1, 3)).T
    turned = SPEED * 1.3 / 4
    expected = [np.cos(turned) * x - np.sin(turned) * y, np.sin(turned) * x + np.cos(turned) * y, z]
    np.testing.assert_allclose(np.reshape(moved, (-1, 3)), np.stack(expected, 1), atol=1e-3)
    assert "The flow at t = 0.3250, evaluated in" in tab.run(DRAWN)["state"]


def test_the_surface_follows_the_threshold(tab):
    tab.run("grid.value = 32; await page.reconstruct();")
    radius = "const p = page.layer.parts[0].base; return Math.hypot(p[0], p[1], p[2]);"
    before = tab.run(radius)
    tab.run("""threshold.value = 0.88; threshold.dispatchEvent(new Event("input"));
        await new Promise(done => setTimeout(done, 200));
        while (page.busy) await new Promise(done => setTimeout(done, 20));""")
    np.testing.assert_allclose([before, tab.run(radius)], [0.5, 0.4], atol=0.02)


def test_a_cloud_that_is_dropped_is_reconstructed(tab, clouds):  # noqa: F811
    text = "\\n".join(" ".join(f"{v:.6f}" for v in point) for point in clouds[0])
    tab.run(f"""const files = [0, 1, 2, 3, 4].map(k => new File(["{text}"], `${{k}}.xyz`));
        await page.drop(files);""")
    drawn = tab.run(DRAWN)
    assert drawn["panes"] == ["input", "model exact"]
    assert tab.run("return item.selectedOptions[0].parentNode.label") == "dropped"


def test_what_cannot_be_read_is_told(tab):
    told = tab.run("""await page.drop([new File(["hello"], "a.xyz")]).catch(() => {});
        return [state.textContent, state.className];""")
    assert told[0].startswith("a.xyz")
    assert told[1] == "note wrong"


def test_times_that_are_unevenly_spaced_are_told_and_kept_while_it_plays(tab, clouds):  # noqa: F811
    text = "\\n".join(" ".join(f"{v:.6f}" for v in point) for point in clouds[0])
    told = tab.run(f"""const numbers = ["000", "001", "002", "010"];
        await page.drop(numbers.map(k => new File(["{text}"], `${{k}}.xyz`))).catch(() => {{}});
        const {{viewer}} = page, times = [0, 1, 2.5, 3].map(frame => viewer.timeOf(frame));
        viewer.show(2.5);
        const label = viewer.output.value;
        viewer.rate = 3;  // of three steps, so that all of it takes a second
        const later = viewer.later(0.1), after = viewer.timeOf(later);
        return {{times, label, later, after, back: viewer.timeOf(viewer.later(0.5))}};""")
    np.testing.assert_allclose(told["times"], [0, 0.1, 0.6, 1])
    assert told["label"] == "t = 0.600, frame 2.5 of 3"
    np.testing.assert_allclose([told["after"], told["back"]], [0.7, 0.1], atol=1e-6)
    np.testing.assert_allclose(told["later"], 2.625)


def test_a_file_that_is_too_large_is_told_before_it_is_sent(tab):
    told = tab.run("""const file = {name: "a.ply", size: 2 ** 30};
        await page.drop([file]).catch(() => {});
        return [state.textContent, state.className];""")
    assert told == [
        "a.ply has 1024 MB, and a file may have at most 512 MB; give its path instead", "note wrong"
    ]  # fmt: skip


def test_two_tabs_ask_for_their_own_surfaces(tab, desk):  # noqa: F811
    """Another one asks meanwhile for the same frames with another grid."""
    tab.run("grid.value = 32; await page.reconstruct();")
    values = {"item": "3", "span": "0", "grid": "16", "threshold": "0.5"}
    desk.reconstruct(Question(values))
    slide(tab, 1.3)
    tab.run("while (page.flowing) await new Promise(done => setTimeout(done, 20));")
    found = tab.run("""const part = page.layer.parts[0];
        return [part.exact.positions.length, 3 * part.vertices];""")
    assert found[0] == found[1]
