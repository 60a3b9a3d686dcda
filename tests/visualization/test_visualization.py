"""What is drawn is where it should be, in the colours it should have."""

import sys

import numpy as np
import pytest
import trimesh
from PIL import Image

from im2mesh.data.frames import StoredWindow
from im2mesh.data.layout import Window
from im2mesh.errors import UserError
from im2mesh.evaluation.records import Record
from im2mesh.meshing.colors import position_colors
from im2mesh.meshing.mesh import Mesh
from im2mesh.meshing.mesh_sequence import MeshSequence
from im2mesh.meshing.rendering import BACKGROUND, Camera, Renderer, look_at
from im2mesh.visualization.contact_sheet import draw_contact_sheet, read_panel
from im2mesh.visualization.motion_sheet import draw_motions
from im2mesh.visualization.panel import Panel

FRONT = Camera(np.zeros(3), 1.0, azimuth=0.0, elevation=0.0)


def ball(center=(0.0, 0.0, 0.0), radius=0.5):
    mesh = trimesh.creation.icosphere(subdivisions=3, radius=radius)
    return np.array(mesh.vertices + center, np.float32), np.array(mesh.faces, np.int32)


def painted(vertices, color):
    return np.full(vertices.shape, color, np.uint8)


def is_subject(image):
    return np.abs(image.astype(int) - BACKGROUND).max(axis=-1) > 12


@pytest.fixture(scope="module")
def renderer():
    pytest.importorskip("pyvista")
    with Renderer(80, 60) as renderer:
        yield renderer


def test_camera_looks_from_the_front_with_y_up():
    np.testing.assert_allclose(FRONT.axes, np.eye(3), atol=1e-12)
    side = Camera(np.zeros(3), 1.0, azimuth=90.0, elevation=0.0)
    np.testing.assert_allclose(side.direction, [1, 0, 0], atol=1e-12)  # the left of a +Z facer
    raised = Camera(np.zeros(3), 1.0, azimuth=30.0, elevation=20.0)
    assert raised.direction[1] > 0 and raised.axes[1, 1] > 0.9
    np.testing.assert_allclose(raised.axes @ raised.axes.T, np.eye(3), atol=1e-12)


def test_camera_has_all_points_in_view():
    points = np.random.default_rng(0).normal(size=(100, 3)) + 5
    camera, half = look_at(points)
    seen = np.abs((points - camera.center) @ camera.axes.T)[:, :2]
    np.testing.assert_allclose(seen.max(axis=0), half)
    assert camera.half_height == pytest.approx(half[1])


def test_mesh_is_drawn_in_place_size_and_colour(renderer):
    vertices, faces = ball(center=(0.5, 0.25, 0.0), radius=0.25)
    image = renderer.render_mesh(vertices, faces, painted(vertices, (220, 40, 40)), FRONT)
    assert image.shape == (60, 80, 3) and image.dtype == np.uint8
    rows, columns = np.nonzero(is_subject(image))
    # 30 pixels per unit; right is +x, up is +y
    assert columns.mean() == pytest.approx(40 + 30 * 0.5 - 0.5, abs=0.7)
    assert rows.mean() == pytest.approx(30 - 30 * 0.25 - 0.5, abs=0.7)
    assert np.ptp(columns) == pytest.approx(30 * 0.5, abs=2)
    red, green, blue = image[is_subject(image)].mean(axis=0)
    assert red > 100 and green < red / 2 and blue < red / 2


def test_even_light_keeps_colours_near_their_own(renderer):
    """So that they can be read off a scale, on all sides of a body."""
    mesh = ball(radius=0.9)
    for draw in (
        lambda even: renderer.render_mesh(*mesh, painted(mesh[0], 200), FRONT, even),
        lambda even: renderer.render_points(mesh[0], painted(mesh[0], 200), FRONT, 8.0, even),
    ):
        spread = {}
        for even in (False, True):
            brightness = draw(even)[..., 0][10:50:2, 20:60:2] / 200
            spread[even] = np.ptp(brightness)
        assert brightness.min() > 0.6 and 0.85 < np.median(brightness) < 1.1
        assert spread[True] < 0.7 * spread[False]


def test_nearer_parts_hide_farther_ones(renderer):
    near, faces = ball(center=(0, 0, 0.5), radius=0.3)
    far, _ = ball(center=(0, 0, -0.5), radius=0.3)
    vertices = np.concatenate([near, far])
    colors = np.concatenate([painted(near, (30, 200, 30)), painted(far, (200, 30, 30))])
    both = np.concatenate([faces, faces + len(near)])
    assert renderer.render_mesh(vertices, both, colors, FRONT)[30, 40].argmax() == 1


def test_points_are_drawn(renderer):
    points = np.float32([[-0.5, 0, 0], [0.5, 0, 0]])
    colors = np.array([[200, 30, 30], [30, 30, 200]], np.uint8)
    image = renderer.render_points(points, colors, FRONT, diameter=8.0)
    subject = is_subject(image)
    assert 40 < subject.sum() < 160
    assert image[30, 25].argmax() == 0 and image[30, 55].argmax() == 2


def test_one_image_does_not_leak_into_the_next(renderer):
    vertices, faces = ball()
    first = renderer.render_mesh(vertices, faces, painted(vertices, 200), FRONT)
    renderer.render_points(vertices + 0.3, painted(vertices, 90), FRONT)
    again = renderer.render_mesh(vertices, faces, painted(vertices, 200), FRONT)
    np.testing.assert_array_equal(first, again)


def test_every_image_is_seen_by_its_own_camera(renderer):
    vertices, faces = ball(center=(0.5, 0.0, 0.0), radius=0.2)
    colors = painted(vertices, 200)
    for sign, camera in ((1, FRONT), (-1, Camera(np.zeros(3), 1.0, azimuth=180.0, elevation=0.0))):
        for image in (
            renderer.render_mesh(vertices, faces, colors, camera),
            renderer.render_points(vertices, colors, camera),
        ):
            assert np.nonzero(is_subject(image))[1].mean() == pytest.approx(39.5 + sign * 15, abs=1)


def test_empty_subjects_give_empty_images(renderer):
    none, no_colors = np.zeros((0, 3), np.float32), np.zeros((0, 3), np.uint8)
    empty = renderer.render_mesh(none, np.zeros((0, 3), np.int32), no_colors, FRONT)
    assert not is_subject(empty).any()
    assert not is_subject(renderer.render_points(none, no_colors, FRONT)).any()


def test_missing_pyvista_names_the_way_out(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyvista", None)
    with pytest.raises(UserError, match=r"pip install -e \.\[viz\]"):
        Renderer(10, 10)


def test_colours_tell_places_apart_and_fit_a_given_box():
    corners = np.float32([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)])
    colors = position_colors(corners)
    assert len(np.unique(colors, axis=0)) == 8
    assert colors.min() >= 0 and colors.max(axis=1).min() > 90  # bright enough to be shaded
    low, high = corners.min(axis=0), corners.max(axis=0)
    np.testing.assert_array_equal(position_colors(corners[:3], low, high), colors[:3])
    assert position_colors(corners[:0]).shape == (0, 3)


def drift(num_frames=4, step=0.1):
    vertices, faces = ball()
    frames = np.stack([vertices + np.float32([step * k, 0, 0]) for k in range(num_frames)])
    return MeshSequence(faces, frames, np.linspace(0, 1, num_frames))


def as_meshes(sequence):
    return [Mesh(vertices, sequence.faces) for vertices in sequence.vertices]


def rows_with_ink(image):
    return is_subject(image).any(axis=1)


def test_contact_sheet_has_a_row_per_kind_and_equal_colours(tmp_path):
    pytest.importorskip("pyvista")
    truth = as_meshes(drift())
    inputs = dict(enumerate(drift().vertices[:, ::8]))
    panel = Panel("a ball", truth, prediction=dict(enumerate(truth)), inputs=inputs, iou={0: 0.5})
    draw_contact_sheet([panel], tmp_path / "out" / "sheet.png", num_columns=2, cell_height=60)
    full = np.asarray(Image.open(tmp_path / "out" / "sheet.png"))
    draw_contact_sheet(
        [Panel("a ball", truth)], tmp_path / "truth.png", num_columns=2, cell_height=60
    )
    truth_only = np.asarray(Image.open(tmp_path / "truth.png"))
    assert full.shape[1] == truth_only.shape[1] and full.shape[2] == 3
    row_height = (full.shape[0] - truth_only.shape[0]) // 2
    assert row_height >= 60
    # prediction = truth, so their rows show the same picture
    columns = slice(160, None)
    last = full[-24 - row_height : -24 - row_height + 55, columns]
    before = full[-24 - 2 * row_height : -24 - 2 * row_height + 55, columns]
    assert is_subject(last).sum() > 500
    np.testing.assert_array_equal(last, before)


def test_prediction_without_correspondence_is_grey(tmp_path):
    pytest.importorskip("pyvista")
    truth = as_meshes(drift())
    vertices, faces = ball(radius=0.4)
    changing = [Mesh(vertices, np.roll(faces, k, axis=0)) for k in range(4)]
    draw_contact_sheet(
        [Panel("x", truth, prediction=dict(enumerate(changing)))],
        tmp_path / "a.png",
        num_columns=4,
        cell_height=60,
    )
    image = np.asarray(Image.open(tmp_path / "a.png")).astype(int)
    row_height = 60 + 18
    row = image[-24 - 2 * row_height : -24 - 2 * row_height + 60, 160 + 90 :]  # frames 1 ...
    subject = is_subject(row)
    assert subject.any() and np.ptp(row[subject], axis=-1).max() < 40


def test_contact_sheet_needs_a_window(tmp_path):
    with pytest.raises(ValueError, match="at least one window"):
        draw_contact_sheet([], tmp_path / "a.png")


def test_panel_reads_truth_from_meshes_or_else_from_points(tmp_path):
    """mesh_seq is in world coordinates, pcl_seq in those of each frame."""
    vertices, faces = ball()
    window = Window("balls", "drift", 0, 2)
    clip = tmp_path / "balls" / "drift"
    loc, step, scale = np.array([1.0, 2.0, 3.0]), np.array([1.0, 0.0, 0.0]), 2.0
    (clip / "pcl_seq").mkdir(parents=True)
    for k in range(2):
        np.savez(
            clip / "pcl_seq" / f"{k:08d}.npz",
            points=vertices.astype(np.float16),
            loc=(loc + k * step).astype(np.float16),
            scale=np.float64(scale),
        )
    records = [Record("balls", "drift", s, 1, "iou", 0.5 + s) for s in (0, 1)]
    panel = read_panel(StoredWindow(tmp_path, window), drift(2), records=records)
    assert len(panel.truth[0].faces) == 0 and panel.iou == {1: 0.5}
    np.testing.assert_allclose(panel.truth[1].vertices[0] - panel.truth[0].vertices[0], [0.5, 0, 0])
    (clip / "mesh_seq").mkdir()
    for k in range(2):
        world = loc + scale * vertices + k * step
        trimesh.Trimesh(world, faces, process=False).export(clip / "mesh_seq" / f"{k:05d}.obj")
    panel = read_panel(StoredWindow(tmp_path, window))
    np.testing.assert_array_equal(panel.truth[0].faces, faces)
    np.testing.assert_allclose(panel.truth[1].vertices, vertices + step / scale, atol=1e-6)
    assert panel.prediction is None and "drift" in panel.title


def test_motion_sheet_has_a_row_per_body_and_room_for_its_title(tmp_path):
    pytest.importorskip("pyvista")
    nothing = MeshSequence(
        np.zeros((0, 3), np.int32), np.zeros((4, 0, 3), np.float32), np.linspace(0, 1, 4)
    )
    bodies = {"moves": drift(), "stays": drift(step=0.0), "empty": nothing}
    draw_motions("two", bodies, tmp_path / "a.png", num_columns=3, cell_height=60)
    image = np.asarray(Image.open(tmp_path / "a.png"))
    rows = [image[90 + 78 * k : 150 + 78 * k, 148:] for k in range(3)]
    width = (image.shape[1] - 2 * 24 - 124) // 3
    left, right = (
        [np.nonzero(is_subject(row[:, part]))[1].mean() for row in rows[:2]]
        for part in (slice(0, width), slice(2 * width, 3 * width))
    )
    assert right[0] > left[0] + 5 and right[1] == pytest.approx(left[1], abs=0.5)
    assert is_subject(rows[1]).sum() > 20 * is_subject(rows[2]).sum()  # a word, no body
    draw_motions("two " * 30, bodies, tmp_path / "b.png", num_columns=3, cell_height=60)
    wide = np.asarray(Image.open(tmp_path / "b.png"))
    assert wide.shape[1] > image.shape[1] and not is_subject(wide[:60, -20:]).any()
    with pytest.raises(ValueError, match="every mesh is empty"):
        draw_motions("none", {"empty": nothing}, tmp_path / "c.png")
