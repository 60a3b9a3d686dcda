"""Colours that tell errors: the right distance at each vertex, one scale for all cells."""

from dataclasses import replace

import numpy as np
import pytest
import trimesh
import yaml
from PIL import Image
from scipy.spatial import ConvexHull

from im2mesh.data.frames import StoredWindow
from im2mesh.data.layout import Window
from im2mesh.errors import UserError
from im2mesh.evaluation.evaluator import Evaluator
from im2mesh.evaluation.metrics import EMPTY_DISTANCE
from im2mesh.evaluation.predictions import Prediction
from im2mesh.evaluation.records import Record, read_table, write_records
from im2mesh.evaluation.report import write_report
from im2mesh.meshing.mesh import Mesh
from im2mesh.meshing.mesh_sequence import MeshSequence
from im2mesh.meshing.rendering import BACKGROUND
from im2mesh.runs.folder import RunFolder
from im2mesh.runs.origins import ResultOrigin
from im2mesh.runs.provenance import Provenance
from im2mesh.visualization.color_bar import BAR_HEIGHT, BAR_WIDTH, LINE, ErrorScale
from im2mesh.visualization.error_sheet import ErrorSheet
from im2mesh.visualization.panel import Panel, VertexErrors
from im2mesh.visualization.sheet import (
    LABEL_WIDTH,
    MARGIN,
    NAME_SIZE,
    ROW_GAP,
    TIME_HEIGHT,
    TITLE_HEIGHT,
    text_width,
)
from im2mesh.visualization.vertex_errors import missing_parts, vertex_errors
from im2mesh.visualization.window_choice import (
    BY_CORRESPONDENCE,
    BY_SHAPE,
    best_median_worst,
    rank_windows,
)
from scripts.draw import main as draw
from tests.small import write_small_config

NUM_FRAMES = 5
WINDOW = Window("balls", "ball_d", 0, NUM_FRAMES)
DARK, GREEN, YELLOW = (68, 1, 84), (32, 144, 140), (253, 231, 36)  # viridis at 0, 0.5 and 1


def particles(root, window=WINDOW):
    """The true surface points of a window [T, 600, 3], and faces that join them."""
    points = np.stack(
        [StoredWindow(root, window).surface_points(k).points for k in range(NUM_FRAMES)]
    )
    return points, np.int32(ConvexHull(points[0]).simplices)


def displaced(root, amount, window=WINDOW):
    """The truth, from the second frame on moved by an amount for each particle."""
    points, faces = particles(root, window)
    moved = points + 0.0
    moved[1:, :, 1] += amount
    meshes = {k: Mesh(vertices, faces) for k, vertices in enumerate(moved)}
    return Prediction(meshes, corresponds=True)


def ball(radius=0.5, center=(0.0, 0.0, 0.0)):
    mesh = trimesh.creation.icosphere(subdivisions=4, radius=radius)
    return Mesh(np.float32(mesh.vertices + center), np.int32(mesh.faces))


def panel_of(*distances):
    """A ball that stands still, with the same error everywhere in each frame."""
    meshes = [ball()] * len(distances)
    errors = {k: np.full(len(meshes[0].vertices), d) for k, d in enumerate(distances)}
    prediction = dict(enumerate(meshes))
    return Panel("a ball", meshes, prediction, errors=VertexErrors(errors, "matched"))


def cell_color(image, top, row, column):
    """The typical colour in the middle of a cell of 60 pixels in a section that starts at top."""
    y = top + TITLE_HEIGHT + TIME_HEIGHT + row * (60 + ROW_GAP) + 30
    rows = image[y - 5 : y + 5]
    body = np.nonzero(is_body(image[y, MARGIN + LABEL_WIDTH :]))[0]
    # the balls of a row, one after the other, right of the names
    starts = body[np.diff(body, prepend=-10) > 5] + MARGIN + LABEL_WIDTH
    middle = rows[:, starts[-2 + column] + 20 : starts[-2 + column] + 30]
    return np.median(middle.reshape(-1, 3), axis=0)


def is_body(image):
    return np.abs(image.astype(int) - BACKGROUND).max(axis=-1) > 12


def top_of(num_notes, rows_before=0):
    """Where the first section starts below a bar, or the second after one with some rows."""
    before = TITLE_HEIGHT + TIME_HEIGHT + rows_before * (60 + ROW_GAP) if rows_before else 0
    return MARGIN + ErrorScale().draw_bar("", [""] * num_notes).height + before


def assert_same_hue(found, expected, darkest=0.75):
    found, expected = np.float64(found), np.float64(expected)
    cosine = found @ expected / np.linalg.norm(found) / np.linalg.norm(expected)
    assert cosine > 0.995, (found, expected)
    assert darkest < found.max() / expected.max() < 1.05  # lit so evenly that it can be read


def test_scale_is_linear_and_clips_at_the_maximum():
    scale = ErrorScale(0.04)
    colors = scale.colors(np.array([0.0, 0.02, 0.04, 0.05, 7.0]))
    np.testing.assert_allclose(colors, [DARK, GREEN, YELLOW, YELLOW, YELLOW], atol=1)
    brightness = scale.colors(np.linspace(0, 0.04, 50)) @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(brightness) > 0).all()  # so it can be read without seeing hues
    assert scale.colors(np.zeros(0)).shape == (0, 3)
    for wrong in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(UserError, match="must be above 0"):
            ErrorScale(wrong)


def test_bar_shows_the_colours_of_the_scale_between_its_numbers():
    scale = ErrorScale(0.04)
    bar = np.asarray(scale.draw_bar("error", ["a note", "another"]))
    strip = bar[LINE + BAR_HEIGHT // 2, :BAR_WIDTH]
    np.testing.assert_array_equal(strip, scale.colors(np.linspace(0, 0.04, BAR_WIDTH)))
    below = bar[LINE + BAR_HEIGHT :].astype(int).max(axis=-1)
    ticks = np.nonzero((below[:5] < 60).all(axis=0))[0]
    np.testing.assert_allclose(ticks, np.linspace(0, BAR_WIDTH - 1, 6), atol=1)
    wide = scale.draw_bar("error", ["long " * 200])
    assert wide.width > 4000 and wide.height == bar.shape[0] - LINE


def test_errors_are_the_known_displacement_of_each_vertex(ball_root):
    amount = np.where(np.arange(600) < 300, 0.03, 0.0)
    errors = vertex_errors(StoredWindow(ball_root, WINDOW), displaced(ball_root, amount))
    assert errors.kind == "matched" and list(errors.by_frame) == list(range(NUM_FRAMES))
    np.testing.assert_allclose(errors.by_frame[0], 0.0, atol=1e-6)
    for k in range(1, NUM_FRAMES):
        np.testing.assert_allclose(errors.by_frame[k], amount, atol=1e-6)


@pytest.mark.parametrize("project", [False, True])
def test_means_are_the_values_of_the_evaluation(ball_root, project, rng):
    prediction = displaced(ball_root, rng.uniform(0, 0.1, 600).astype(np.float32))
    errors = vertex_errors(StoredWindow(ball_root, WINDOW), prediction, True, project)
    assert errors.kind == ("projected" if project else "matched")
    records = Evaluator(ball_root, 100, project).evaluate_window(WINDOW, prediction)
    measured = {r.frame: r.value for r in records if r.metric == "correspondence_l2"}
    assert measured == {k: pytest.approx(e.mean()) for k, e in errors.by_frame.items()}


def test_without_correspondence_distances_are_to_the_nearest_point(ball_root):
    """Particles that trade places: the surface is right, every single vertex is not."""
    points, faces = particles(ball_root)
    meshes = {k: Mesh(points[k, ::-1] if k else points[k], faces) for k in range(NUM_FRAMES)}
    matched = vertex_errors(StoredWindow(ball_root, WINDOW), Prediction(meshes, corresponds=True))
    assert matched.by_frame[1].mean() > 0.3
    for prediction, correspondence in (
        (Prediction(meshes, corresponds=False), True),
        (Prediction(meshes, corresponds=True), False),
        (Prediction({4: meshes[4]}, corresponds=True), True),
    ):
        nearest = vertex_errors(StoredWindow(ball_root, WINDOW), prediction, correspondence)
        assert nearest.kind == "nearest" and list(nearest.by_frame) == list(prediction.meshes)
        np.testing.assert_allclose(np.concatenate(list(nearest.by_frame.values())), 0, atol=1e-6)


def test_a_part_that_was_not_predicted_shows_on_the_truth():
    truth = ball()
    half = Mesh(truth.vertices[truth.vertices[:, 0] <= 0], np.zeros((0, 3), np.int32))
    empty = Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
    missing = missing_parts([truth] * 3, {0: half, 2: empty})
    assert missing.kind == "missing" and list(missing.by_frame) == [0, 2]
    there = truth.vertices[:, 0] <= 0
    np.testing.assert_array_equal(missing.by_frame[0][there], 0.0)
    assert missing.by_frame[0].argmax() == truth.vertices[:, 0].argmax()
    assert missing.by_frame[0].max() == pytest.approx(np.sqrt(0.5), rel=0.01)
    np.testing.assert_array_equal(missing.by_frame[2], EMPTY_DISTANCE)


def test_cells_have_the_colour_of_their_error_on_one_scale_for_all(tmp_path):
    pytest.importorskip("pyvista")
    scale = ErrorScale(0.04)
    windows = [
        {"none": panel_of(0.0, 0.0), "grows": panel_of(0.0, 0.02)},
        {"too much": panel_of(0.3, 0.3)},
    ]
    path = tmp_path / "out" / "sheet.png"
    ErrorSheet(scale, num_columns=2, cell_height=60).draw(windows, path)
    image = np.asarray(Image.open(path))
    first, second = top_of(1), top_of(1, rows_before=3)
    for column in range(2):
        assert_same_hue(cell_color(image, first, 0, column), DARK)
        assert_same_hue(cell_color(image, first, 1, column), (DARK, GREEN)[column])
        assert_same_hue(cell_color(image, second, 0, column), YELLOW)
        for top, row in ((first, 2), (second, 1)):
            assert np.ptp(cell_color(image, top, row, column)) < 20  # the truth is grey
    np.testing.assert_array_equal(image[MARGIN + LINE + 5, MARGIN], scale.colors(np.zeros(1))[0])


def test_every_vertex_keeps_its_own_colour_in_light_that_lets_it_be_read(
    tmp_path, monkeypatch, ball_root
):
    """Also without a renderer: the exact colours that it would be given."""
    sections = []
    monkeypatch.setattr(
        "im2mesh.visualization.error_sheet.draw_sections", lambda s, *rest: sections.extend(s)
    )
    amount = np.linspace(0, 0.06, 600).astype(np.float32)
    prediction = displaced(ball_root, amount)
    errors = vertex_errors(StoredWindow(ball_root, WINDOW), prediction)
    panel = Panel("x", list(prediction.meshes.values()), prediction.meshes, errors=errors)
    scale = ErrorScale(0.04)
    ErrorSheet(scale, num_columns=3).draw([{"a": panel}], tmp_path / "a.png")
    (section,) = sections
    expected = [scale.colors(np.zeros(600)), *[scale.colors(amount)] * 2]
    for cell, colors in zip(section.rows["a"], expected, strict=True):
        np.testing.assert_allclose(cell.content.colors, colors, atol=2)
        assert cell.even_light
    assert [cell.caption for cell in section.rows["a"]] == ["mean 0.000", *["mean 0.030"] * 2]
    assert section.notes["a"] == ["matched", "22% above 0.04"]  # a third of two cells in three


def test_missing_parts_get_rows_of_their_own(tmp_path):
    pytest.importorskip("pyvista")
    panel = panel_of(0.0, 0.0)
    shrunk = {k: Mesh(0.98 * mesh.vertices, mesh.faces) for k, mesh in panel.prediction.items()}
    panel = replace(panel, prediction=shrunk)
    ErrorSheet(ErrorScale(0.02), 2, 60, show_missing=True).draw([{"a": panel}], tmp_path / "a.png")
    image = np.asarray(Image.open(tmp_path / "a.png"))
    assert_same_hue(cell_color(image, top_of(2), 0, 1), DARK)
    assert_same_hue(cell_color(image, top_of(2), 1, 1), GREEN)  # 0.01 everywhere
    assert np.ptp(cell_color(image, top_of(2), 2, 1)) < 20


def test_long_names_and_empty_predictions_fit(tmp_path):
    pytest.importorskip("pyvista")
    empty = Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
    nothing = replace(
        panel_of(0.0, 0.0),
        prediction={0: empty},
        errors=VertexErrors({0: np.zeros(0)}, "nearest"),
    )
    name = "a method with a name as long as a sentence " * 2
    ErrorSheet(ErrorScale(), 2, 60).draw([{name: nothing}], tmp_path / "a.png")
    image = np.asarray(Image.open(tmp_path / "a.png"))
    top = top_of(1) + TITLE_HEIGHT + TIME_HEIGHT
    left = MARGIN + text_width(name, NAME_SIZE)
    assert not is_body(image[top : top + 50, left:]).any()  # below stands "empty"
    assert is_body(image[top + 50 : top + 60 + ROW_GAP, left:]).any()
    assert is_body(image[top + 60 + ROW_GAP :, left:]).sum() > 2000  # the truth
    with pytest.raises(ValueError, match="at least one window"):
        ErrorSheet(ErrorScale()).draw([], tmp_path / "c.png")
    with pytest.raises(UserError, match="'truth' is a row of its own"):
        ErrorSheet(ErrorScale()).draw([{"truth": nothing}], tmp_path / "c.png")
    with pytest.raises(ValueError, match="no errors"):
        ErrorSheet(ErrorScale()).draw([{"a": replace(nothing, errors=None)}], tmp_path / "c.png")


def test_windows_are_ranked_by_the_first_metric_there_is():
    windows = [Window("balls", "drift", start, 3) for start in (0, 4, 8, 12)]
    values = {0: (0.9, 0.03), 4: (0.5, 0.01), 8: (0.7, 0.02)}
    records = [
        Record("balls", "drift", start, k, metric, value + 0.001 * k)
        for start, pair in values.items()
        for metric, value in zip(("iou", "correspondence_l2"), pair, strict=True)
        for k in range(3)
    ]
    by_shape = rank_windows(windows, records, BY_SHAPE)
    assert [w.start for w in by_shape] == [0, 8, 4]  # the higher the better
    assert [w.start for w in rank_windows(windows, records, BY_CORRESPONDENCE)] == [4, 8, 0]
    assert {name: w.start for name, w in best_median_worst(by_shape).items()} == {
        "best": 0, "median": 8, "worst": 4,
    }  # fmt: skip
    with pytest.raises(UserError, match=r"chamfer_l1; run eval\.py"):
        rank_windows(windows, [], BY_SHAPE)


def write_run(path, root, amounts, split="test", frame_step=1):
    """A run that predicted the windows starting at some frames, and its evaluation."""
    run, evaluator, records = RunFolder(path), Evaluator(root, 200), []
    for start, amount in amounts.items():
        window = replace(WINDOW, start=start, frame_step=frame_step)
        prediction = displaced(root, amount, window)
        vertices = np.stack([mesh.vertices for mesh in prediction.meshes.values()])
        faces = prediction.meshes[0].faces
        times = np.linspace(0, 1, NUM_FRAMES)
        MeshSequence(faces, vertices, times).save(run.window(split, window).path)
        records += evaluator.evaluate_window(window, prediction)
    write_records(run.evaluation_records(split), records)
    settings = {
        "data": {"root": str(root), "num_frames": NUM_FRAMES, "frame_step": frame_step},
        "evaluation": {
            "num_samples": 200, "seed": 0, "project_to_final_mesh": False, "frames": "all",
            "correspondence": True,
        },
    }  # fmt: skip
    (run.evaluation(split) / "config.yaml").write_text(yaml.safe_dump(settings))
    return path


@pytest.fixture
def drawn(monkeypatch):
    """What the scripts hand to the sheet, instead of a picture."""
    calls = []
    monkeypatch.setattr(
        ErrorSheet, "draw", lambda self, windows, path, _: calls.append((self, windows, path))
    )
    return calls


def test_error_sheet_compares_runs_in_the_worst_window_of_the_first(
    tmp_path, ball_root, drawn, capsys
):
    runs = [
        write_run(tmp_path / "out" / "flow", ball_root, {0: 0.01, 4: 0.03}),
        write_run(tmp_path / "out" / "points", ball_root, {0: 0.2, 4: 0.1}),
    ]
    output = ["--output", str(tmp_path / "a.png")]
    draw(["errors", *map(str, runs), *output, "--max-error", "0.1", "--missing"])
    sheet, (panels,), path = drawn.pop()
    assert sheet == ErrorSheet(ErrorScale(0.1), show_missing=True) and path == tmp_path / "a.png"
    assert list(panels) == ["flow", "points"]
    assert "ball_d/00004" in capsys.readouterr().out
    for name, amount in (("flow", 0.03), ("points", 0.1)):
        np.testing.assert_allclose(panels[name].errors.by_frame[4], amount, atol=1e-5)
        assert "frames 4 to 8" in panels[name].title
    draw(["errors", *map(str, runs), *output, "--windows", "best", "ball_d/00004"])
    _, windows, _ = drawn.pop()
    titles = [panels["flow"].title for panels in windows]
    assert [title.split(", ")[1] for title in titles] == ["frames 0 to 4", "frames 4 to 8"]
    with pytest.raises(UserError, match="no window ball_x"):
        draw(["errors", *map(str, runs), *output, "--windows", "ball_x"])


def test_error_sheet_shows_the_frames_that_a_run_with_a_step_was_measured_in(
    tmp_path, ball_root, drawn
):
    run = write_run(tmp_path / "flow", ball_root, {0: 0.02}, frame_step=2)
    draw(["errors", str(run), "--output", str(tmp_path / "a.png")])
    _, (panels,), _ = drawn.pop()
    panel = panels["flow"]
    assert "frames 0 to 8" in panel.title
    np.testing.assert_allclose(panel.errors.by_frame[4], 0.02, atol=1e-5)
    last = StoredWindow(ball_root, replace(WINDOW, frame_step=2)).surface_points(4).points
    np.testing.assert_array_equal(panel.truth[4].vertices, last)


def test_contact_sheet_draws_errors_when_asked(tmp_path, ball_root, drawn, capsys):
    config = write_small_config(tmp_path, ball_root)
    write_run(tmp_path / "run", ball_root, {0: 0.03, 4: 0.01})
    base = [str(config), "data.skip_frames=0", "--output", str(tmp_path / "a.png")]
    draw(["sheet", *base, "--color", "error", "--columns", "3"])
    sheet, windows, _ = drawn.pop()
    assert sheet == ErrorSheet(ErrorScale(0.05), num_columns=3)
    means = [panels["prediction"].errors.by_frame[2].mean() for panels in windows]
    np.testing.assert_allclose(means, [0.01, 0.03], atol=1e-5)  # best and worst
    assert all(panels["prediction"].inputs for panels in windows)
    pytest.importorskip("pyvista")
    draw(["sheet", *base, "--height", "60", "--windows", "ball_d/00000"])
    assert not drawn and Image.open(tmp_path / "a.png").height > 3 * 60
    assert "Meshes made by another program" in Image.open(tmp_path / "a.png").text["Source"]
    evaluated_by = Provenance("1.0", "c", "d", 7, {})
    origin = ResultOrigin(evaluated_by, [{"run": "r", "code": "1.0", "config": "c", "seed": 0}])
    folder = RunFolder(tmp_path / "run").evaluation("test")
    write_report(folder, "test", read_table(folder / "records.csv")[0], origin)
    with pytest.raises(UserError, match=r"made anew after the evaluation; run eval\.py again"):
        draw(["sheet", *base, "--windows", "ball_d/00000"])
