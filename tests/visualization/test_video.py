"""Videos show what was there, at the right time and place, and can be read again."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

import eval as evaluation
import generate
import train
from im2mesh.command_line import EXIT_USER_ERROR, exit_status
from im2mesh.errors import UserError
from im2mesh.files.mp4_boxes import read_comment
from im2mesh.files.results import refuse_other_picture, states_origin
from im2mesh.meshing.mesh import Mesh
from im2mesh.meshing.mesh_sequence import MeshSequence
from im2mesh.meshing.rendering import BACKGROUND, Camera, Renderer, Surroundings
from im2mesh.models.code import empty_code
from im2mesh.models.deformations.one_shot import OneShotDeformation
from im2mesh.models.flow.flow import Flow
from im2mesh.studies.video import show_file
from im2mesh.visualization.panel import Panel, VertexErrors
from im2mesh.visualization.video.encoding import (
    durations,
    import_ffmpeg,
    shown_frames,
    write_video,
)
from im2mesh.visualization.video.film import Film
from im2mesh.visualization.video.marks import (
    ARROW_COLOR,
    HEAD,
    TRAIL_FRAMES,
    ArrowScale,
    Slice,
    arrows,
    spread_points,
    trails,
    velocities_of,
)
from im2mesh.visualization.video.shadow import Floor
from im2mesh.visualization.video.window_scene import (
    NUM_ARROWS,
    VideoSettings,
    even_clock,
    window_scene,
)
from scripts import draw
from tests.problems import Rotation
from tests.small import write_small_config

ENDINGS = (".mp4", ".gif", ".webp")
FRONT = Camera(np.zeros(3), 1.0, azimuth=0.0, elevation=0.0)
SPEED = 2.0  # radians from t = 0 to 1


def ball(center=(0.0, 0.0, 0.0), radius=0.3) -> Mesh:
    mesh = trimesh.creation.icosphere(subdivisions=2, radius=radius)
    return Mesh(np.array(mesh.vertices + center, np.float32), np.array(mesh.faces, np.int32))


def turned(mesh: Mesh, angle: float) -> Mesh:
    cos, sin = np.cos(angle), np.sin(angle)
    about_z = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]], np.float32)
    return Mesh(mesh.vertices @ about_z.T, mesh.faces)


def turning(num_frames: int = 5) -> list[Mesh]:
    """A ball beside the axis, which turns about z."""
    angles = SPEED * np.linspace(0, 1, num_frames)
    return [turned(ball((0.2, 0, 0), 0.2), float(angle)) for angle in angles]


def panel_of(meshes: list[Mesh], with_errors: bool = True) -> Panel:
    errors = {k: np.full(len(mesh.vertices), 0.01 * k) for k, mesh in enumerate(meshes)}
    clouds = {k: mesh.vertices[::9] for k, mesh in enumerate(meshes)}
    known = VertexErrors(errors, "matched") if with_errors else None
    return Panel("a ball", meshes, dict(enumerate(meshes)), clouds, {0: 0.5}, known)


def film_of(meshes: list[Mesh], height: int = 60, **settings) -> Film:
    pytest.importorskip("pyvista")
    clock = even_clock(len(meshes), 1.0, None)
    return Film([window_scene(panel_of(meshes), clock, VideoSettings(**settings))], height)


def pictures(count: int = 6) -> list[np.ndarray]:
    """A white square that moves over black; odd in size."""
    frames = [np.zeros((31, 45, 3), np.uint8) for _ in range(count)]
    for k, frame in enumerate(frames):
        frame[8:20, 6 * k : 6 * k + 12] = 255
    return frames


def read(path: Path) -> tuple[list[np.ndarray], float]:
    """The frames of a video, and how many seconds it lasts."""
    if path.suffix == ".mp4":
        ffmpeg = import_ffmpeg()
        reader = ffmpeg.read_frames(str(path))
        size = next(reader)["size"]
        frames = [np.frombuffer(frame, np.uint8).reshape(size[1], size[0], 3) for frame in reader]
        return frames, ffmpeg.count_frames_and_secs(str(path))[1]
    frames, seconds = [], 0.0
    with Image.open(path) as image:
        for k in range(image.n_frames):
            image.seek(k)
            frames.append(np.asarray(image.convert("RGB")))
            seconds += image.info["duration"] / 1000
    return frames, seconds


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_video_has_its_frames_and_lasts_as_long_as_it_should(ending, tmp_path):
    if ending == ".mp4":
        pytest.importorskip("imageio_ffmpeg")
    path, frames = tmp_path / "new" / f"a{ending}", pictures()
    write_video(path, iter(frames), 12.0, "test of videos")
    found, seconds = read(path)
    assert len(found) == 6 and seconds == pytest.approx(6 / 12, abs=0.02)
    for frame, wanted in zip(found, frames, strict=True):
        assert np.abs(frame[:31, :45].astype(int) - wanted).mean() < 6
    assert states_origin(path)
    write_video(path, iter(frames[:2]), 12.0, "test of videos")  # replaces its own file
    assert len(read(path)[0]) == 2
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_video_of_somebody_else_is_not_replaced(ending, tmp_path):
    path = tmp_path / f"a{ending}"
    if ending == ".mp4":
        path.write_bytes(b"\0\0\0\x18ftypisom" + bytes(12) + b"\0\0\0\x08moov")
    else:
        Image.new("RGB", (4, 4)).save(path, comment=b"Made by hand")
    before = path.read_bytes()
    with pytest.raises(UserError, match="does not say what made it"):
        write_video(path, pictures(), 12.0)
    assert path.read_bytes() == before
    path.write_bytes(b"no video at all")
    with pytest.raises(UserError, match="does not say what made it"):
        refuse_other_picture(path)


def test_the_comment_of_an_mp4_is_found_in_its_boxes(tmp_path):
    def box(kind: bytes, content: bytes) -> bytes:
        return (8 + len(content)).to_bytes(4, "big") + kind + content

    comment = box(b"ilst", box(b"\xa9cmt", box(b"data", bytes(8) + "Source: ü".encode())))
    moov = box(b"moov", box(b"mvhd", bytes(9)) + box(b"udta", box(b"meta", bytes(4) + comment)))
    path = tmp_path / "a.mp4"
    path.write_bytes(box(b"ftyp", b"isom") + moov)
    assert read_comment(path) == "Source: ü" and states_origin(path)
    for broken in (b"", b"\0\0\0\1moov", moov[:40], bytes(100)):
        path.write_bytes(broken)
        assert read_comment(path) == "" and not states_origin(path)


def test_a_file_that_cannot_be_written_whole_is_not_written(tmp_path):
    def broken():
        yield pictures()[0]
        raise RuntimeError("no more")

    for ending in ENDINGS[1:]:
        with pytest.raises(RuntimeError, match="no more"):
            write_video(tmp_path / f"a{ending}", broken(), 12.0)
    pytest.importorskip("imageio_ffmpeg")
    with pytest.raises(RuntimeError, match="no more"):
        write_video(tmp_path / "a.mp4", broken(), 12.0)
    assert list(tmp_path.iterdir()) == []


def test_the_colours_of_a_gif_do_not_flicker(tmp_path):
    """What stands still beside something that moves has equal pixels in all frames."""
    noise = np.random.default_rng(0).integers(0, 255, (20, 20, 3), np.uint8)
    frames = [np.concatenate([frame[:20], noise], axis=1) for frame in pictures()]
    write_video(tmp_path / "a.gif", frames, 10.0)
    found, _ = read(tmp_path / "a.gif")
    assert all(np.array_equal(frame[:, 45:], found[0][:, 45:]) for frame in found)


def test_rounded_durations_do_not_add_up_to_an_error():
    assert durations(3, 60.0, 1) == [17, 16, 17]
    assert sum(durations(100, 7.5, 10)) == pytest.approx(100 / 7.5 * 1000, abs=10)


def test_more_frames_than_a_format_can_show_are_left_out():
    assert shown_frames(17, 7.5, ".gif") == (list(range(17)), 7.5)
    frames, fps = shown_frames(60, 60.0, ".gif")
    assert (len(frames), fps) == (50, 50.0) and frames[0] == 0 and np.diff(frames).max() == 2


def test_short_clips_are_slowed_down_and_the_time_says_so():
    clock = even_clock(17, 16 / 60, None)
    assert clock.fps == 7.5 and clock.labels()[16] == "0.27 s, 8 times slower"
    assert even_clock(240, 239 / 60, None).fps == pytest.approx(60)
    assert even_clock(240, 239 / 60, None).labels()[60] == "1.00 s"
    assert even_clock(240, 239 / 60, 120.0).labels()[60] == "1.00 s, 2 times faster"
    assert even_clock(5, None, 3.0).labels()[1] == "t = 0.25"


def test_a_body_that_stands_still_gives_equal_frames():
    pytest.importorskip("pyvista")
    panel = panel_of([ball()] * 3, with_errors=False)
    scene = window_scene(panel, even_clock(3, 1.0, None), VideoSettings(num_trails=2))
    first, *others = Film([scene], 60).frames()
    for other in others:
        assert np.array_equal(other[:140], first[:140])  # below the panes, time goes on


def test_one_camera_sees_all_panes_and_frames():
    """A ball on its way is as large in all frames, and at the same height in all panes."""
    film, sizes = film_of([ball((0.3 * k, 0, 0), 0.2) for k in range(3)]), []
    for frame in film.frames():
        widths, rows = [], []
        for column in (1, 2):  # prediction and truth
            left = 20 + column * (film.pane_width + 10)
            pane = frame[80:140, left : left + film.pane_width].astype(int)
            subject = np.ptp(pane, axis=-1) > 40  # coloured, as the shadow is not
            widths.append(np.ptp(np.nonzero(subject)[1]))
            rows.append(np.nonzero(subject)[0].min())
        assert widths[0] == widths[1] and rows[0] == rows[1]
        sizes.append(widths[0])
    assert np.ptp(sizes) <= 1


def test_a_turntable_goes_around_once_and_keeps_everything_in_view():
    scene = film_of([ball((0.5, 0, 0), 0.1)] * 8, turntable=True).scenes[0]
    assert np.ptp(scene.azimuths) == pytest.approx(360 * 7 / 8)
    cameras, half = scene.views()
    for camera in cameras:
        seen = np.abs((ball((0.5, 0, 0), 0.1).vertices - camera.center) @ camera.axes[:2].T)
        assert (seen.max(axis=0) <= half).all()


def test_the_shadow_is_darkest_where_the_body_touches_the_floor():
    floor = Floor(-0.5, np.full(3, -0.5), np.full(3, 0.5))
    on_floor = floor.darkness(ball((0, -0.3, 0), 0.2))
    above = floor.darkness(ball((0, 0.2, 0), 0.2))
    middle = tuple(n // 2 for n in on_floor.shape)
    assert 0.3 < on_floor[middle] < 0.9 and 0.02 < above[middle] < on_floor[middle] / 2
    assert on_floor[0].max() < 0.01
    camera = Camera(np.zeros(3), 0.8, azimuth=0.0, elevation=30.0)
    picture = floor.backdrop(ball((0, -0.3, 0), 0.2), camera, 40, 40)
    row, column = np.unravel_index(picture[..., 0].argmin(), (40, 40))
    seen = np.array([0, -0.5, 0]) @ camera.axes.T  # the point of the floor below the ball
    assert column == pytest.approx(20, abs=2)
    assert row == pytest.approx(20 - seen[1] * 20 / 0.8, abs=3)


def test_a_velocity_is_that_of_the_rotation():
    """At its start and end a difference is one-sided, so it is compared in between."""
    meshes = turning(65)
    path = np.stack([mesh.vertices for mesh in meshes])
    found = velocities_of(path, np.linspace(0, 0.5, 65))  # half a second
    axis = np.array([0, 0, SPEED / 0.5])
    np.testing.assert_allclose(found[1:-1], np.cross(axis, path)[1:-1], atol=2e-3)


def test_an_arrow_is_drawn_in_the_right_direction_and_length():
    pytest.importorskip("pyvista")
    start, vector = np.array([[-0.1, -0.15, 0.0]]), np.array([[0.2, 0.3, 0.1]])
    mesh = arrows(start, vector)
    assert np.abs(mesh.vertices - (start + vector)).max(axis=1).min() < 1e-6  # the tip
    nothing, camera = Mesh.of_points(np.zeros((0, 3), np.float32)), replace(FRONT, half_height=0.25)
    with Renderer(200, 200) as renderer:
        image = renderer.render_mesh(
            nothing.vertices, nothing.faces, np.zeros((0, 3), np.uint8), camera,
            around=Surroundings(mesh),
        )  # fmt: skip
    rows, columns = np.nonzero(np.abs(image.astype(int) - BACKGROUND).max(-1) > 60)
    # 400 pixels per unit; right is +x, up is +y, and z is not seen
    assert (rows.min(), rows.max()) == pytest.approx((100 - 60, 100 + 60), abs=3)
    assert (columns.min(), columns.max()) == pytest.approx((100 - 40, 100 + 40), abs=3)
    widths = np.bincount(rows, minlength=200)
    assert widths[44:52].max() > 2 * widths[80:110].max()  # the head is at the upper end
    assert np.ptp(ARROW_COLOR) < 20


def test_short_arrows_are_left_out_and_none_is_legal():
    assert arrows(np.zeros((2, 3)), np.array([[0, 0, 0], [1e-4, 0, 0]])).is_empty
    assert len(arrows(np.zeros((1, 3)), np.array([[0, 0, 1.0]])).faces) > 0


def test_the_scale_of_arrows_is_one_for_all_frames_and_its_legend_is_round():
    scale = ArrowScale.of(np.array([0.1, 3.7]), "m/s")
    assert scale.length * 3.7 == pytest.approx(ArrowScale.LONGEST, rel=0.02)
    assert scale.legend_speed == 2.0
    assert ArrowScale.of(np.zeros(3), "m/s").length > 0  # nothing moves


def test_the_slice_shows_the_field_in_the_body_and_in_its_plane():
    mesh = ball((0.1, 0, 0), 0.3)
    plane = Slice(np.zeros(3), np.array([1.0, 0, 0]), np.array([0, 1.0, 0]))
    points = plane.points(mesh)
    distances = np.linalg.norm(points - [0.1, 0, 0], axis=1)
    assert len(points) > 50 and distances.max() < 0.3 + 2 * Slice.REACH and not points[:, 2].any()
    again = {tuple(p) for p in plane.points(ball((0.15, 0, 0), 0.3)).round(6).tolist()}
    assert len(again & {tuple(p) for p in points.round(6).tolist()}) > 40  # the grid stays
    np.testing.assert_allclose(plane.in_plane(np.array([[1.0, 2, 3]])), [[1, 2, 0]])
    cut = plane.behind(mesh)
    assert cut.vertices[cut.faces][..., 2].max() <= 0 and 0 < len(cut.faces) < len(mesh.faces)


class Turning(OneShotDeformation[torch.Tensor]):
    """The rotation of `Rotation`, without a field."""

    def depart(self, points, start, code):
        return Rotation(SPEED).path(points, -start[0])

    def arrive(self, departure, end, code):
        return Rotation(SPEED).path(departure, end[0])


@pytest.mark.parametrize("carrier", [Flow(Rotation(SPEED)), Turning()])
@pytest.mark.parametrize("t", [0.0, 0.3, 1.0])
def test_whatever_carries_points_has_velocities_in_space(carrier, t):
    points = torch.rand(1, 7, 3) - 0.5
    found = carrier.velocity(points, t, empty_code(1))
    wanted = torch.cross(torch.tensor([0, 0, SPEED]).expand_as(points), points, dim=-1)
    assert not found.requires_grad
    torch.testing.assert_close(found, wanted, atol=2e-2, rtol=0)


def test_points_of_trails_are_far_from_each_other():
    points = ball(radius=0.5).vertices
    rows = spread_points(points, 6)
    chosen = points[rows]
    apart = np.linalg.norm(chosen[:, None] - chosen, axis=-1)[~np.eye(6, dtype=bool)]
    assert len(set(rows.tolist())) == 6 and apart.min() > 0.45
    assert len(spread_points(points[:3], 6)) == 3 and len(spread_points(points[:0], 6)) == 0


def test_a_trail_leads_to_its_point_and_fades():
    path = np.zeros((40, 1, 3), np.float32)
    path[:, 0, 0] = 0.02 * np.arange(40)
    color = np.array([[200, 30, 30]], np.uint8)
    mesh = trails(path, 30, color)
    x, width = mesh.vertices[:, 0], np.abs(mesh.vertices[:, 2])
    assert x.min() == pytest.approx(0.02 * (30 - TRAIL_FRAMES), abs=1e-3)
    assert x.max() == pytest.approx(0.6, abs=2 * HEAD)
    is_old, is_new = x < x.min() + 0.03, np.abs(x - 0.58) < 0.005
    assert width[is_old].max() < width[is_new].max()
    assert mesh.colors is not None
    assert np.abs(mesh.colors[is_old] - np.array(BACKGROUND, np.float32)).mean() < 60
    assert len(trails(path, 0, color).faces) > 0  # of the first frame, only the point itself


def test_a_scene_has_the_panes_that_the_panel_has():
    meshes = turning()
    clock = even_clock(5, 1.0, None)

    def names(panel: Panel, velocity=None, **settings) -> list[str]:
        scene = window_scene(panel, clock, VideoSettings(**settings), velocity)
        assert all(len(pane.cells) == 5 for pane in scene.panes)
        assert (scene.arrows is None) == (not settings.get("show_arrows"))
        return [pane.name for pane in scene.panes]

    panel = panel_of(meshes)
    assert names(panel) == ["input", "prediction", "truth", "error"]
    alone = Panel("a ball", [], dict(enumerate(meshes)))
    assert names(alone, num_trails=3, show_arrows=True) == ["prediction"]
    asked = []

    def field(points, frame):
        asked.append(frame)
        return np.cross([0, 0, SPEED], points)

    assert "velocity field" in names(panel, field, show_arrows=True)
    assert asked == [0, 1, 2, 3, 4]
    assert names(panel, field) == ["input", "prediction", "truth", "error"]


def test_arrows_stand_on_the_prediction():
    meshes = turning()
    settings = VideoSettings(show_arrows=True)
    scene = window_scene(panel_of(meshes), even_clock(5, 1.0, None), settings)
    marks = dict(zip((p.name for p in scene.panes), (p.marks for p in scene.panes), strict=True))
    assert len(marks["prediction"]) == 5 and not marks["truth"]
    assert scene.arrows is not None and scene.arrows.unit == "body lengths/s"
    assert len(spread_points(meshes[0].vertices, NUM_ARROWS)) == NUM_ARROWS
    film = film_of(meshes, height=80, show_arrows=True)
    dark = [(np.asarray(frame).max(-1) < 70).sum() for frame in film.frames([2])]
    plain = [(np.asarray(f).max(-1) < 70).sum() for f in film_of(meshes, height=80).frames([2])]
    assert dark[0] > plain[0] + 50


def test_trails_of_the_truth_begin_where_those_of_the_prediction_do():
    meshes, clock = turning(), even_clock(5, 1.0, None)
    truth = [Mesh(mesh.vertices[::2], np.zeros((0, 3), np.int32)) for mesh in meshes]
    predicted = dict(enumerate(Mesh(0.9 * mesh.vertices, mesh.faces) for mesh in meshes))
    errors = VertexErrors({}, "matched")

    def scene_of(truth, errors):
        panel = Panel("a ball", truth, predicted, errors=errors)
        return window_scene(panel, clock, VideoSettings(num_trails=4))

    marks = {
        pane.name: pane.marks for pane in scene_of(truth, errors).panes if pane.name != "error"
    }
    assert len(marks["prediction"]) == len(marks["truth"]) == 5
    for k, (of_prediction, of_truth) in enumerate(zip(*marks.values(), strict=True)):
        assert of_prediction.vertices.shape == of_truth.vertices.shape
        apart = np.linalg.norm(of_prediction.vertices - of_truth.vertices, axis=1)
        assert 0 < apart.max() < 0.3 * np.ptp(meshes[k].vertices, axis=0).max()
    elsewhere = [*truth[:-1], Mesh(truth[-1].vertices[1:], truth[-1].faces)]
    for others, kind in ((elsewhere, errors), (truth, VertexErrors({}, "nearest")), (truth, None)):
        lengths = {pane.name: len(pane.marks) for pane in scene_of(others, kind).panes}
        assert (lengths["prediction"], lengths["truth"]) == (5, 0)


def test_meshes_that_do_not_correspond_have_no_arrows():
    meshes = turning()
    meshes[2] = Mesh(meshes[2].vertices, meshes[2].faces[:-1])
    clock = even_clock(5, 1.0, None)
    assert window_scene(panel_of(meshes), clock, VideoSettings()).panes
    for settings in (VideoSettings(show_arrows=True), VideoSettings(num_trails=2)):
        with pytest.raises(UserError, match="do not correspond over all frames"):
            window_scene(panel_of(meshes), clock, settings)


def test_frames_that_were_not_predicted_are_empty():
    meshes = turning()
    errors = VertexErrors({4: np.zeros(162)}, "matched")
    panel = Panel("a ball", meshes, {4: meshes[4]}, errors=errors)
    scene = window_scene(panel, even_clock(5, 1.0, None), VideoSettings())
    shown = {pane.name: [cell.content is not None for cell in pane.cells] for pane in scene.panes}
    assert shown["prediction"] == shown["error"] == [False] * 4 + [True]


@pytest.fixture
def moving_files(tmp_path) -> Path:
    meshes = turning()
    vertices = np.stack([mesh.vertices for mesh in meshes])
    z_up = np.stack([vertices[..., 0], -vertices[..., 2], 5 * vertices[..., 1]], axis=-1)
    sequence = MeshSequence(meshes[0].faces, 300 * z_up, np.linspace(0, 1, 5))
    sequence.save(tmp_path / "scan" / "sequence.npz")
    sequence.save(tmp_path / "moving.glb", duration=0.25)
    np.savez(tmp_path / "clouds.npz", points=(300 * z_up)[:, ::9])
    return tmp_path


def test_files_of_moving_meshes_are_shown_without_a_truth(moving_files):
    shown = show_file(moving_files / "scan", VideoSettings())
    (scene,) = shown.scenes
    assert [pane.name for pane in scene.panes] == ["prediction"]
    assert scene.times[1] == "t = 0.25" and "hash of the file" in shown.origin
    first = scene.panes[0].cells[0].content
    assert isinstance(first, Mesh)
    assert np.ptp(first.vertices, axis=0).argmax() == 1  # up is y
    assert np.ptp(first.vertices) == pytest.approx(1, abs=0.3)
    glb = show_file(moving_files / "moving.glb", VideoSettings())
    assert glb.scenes[0].times[2].startswith("0.12 s, ") and glb.fps == pytest.approx(16 / 7)
    report = moving_files / "scan" / "scan.json"
    for step, label in ((1.0, "t = 0.50"), (0.5, "1.00 s")):  # counted frames, and seconds
        report.write_text(json.dumps({"frames": [{"time": step * k} for k in range(5)]}))
        scan = show_file(moving_files / "scan", VideoSettings())
        assert scan.scenes[0].times[2].startswith(label)
    with_clouds = show_file(
        moving_files / "scan", VideoSettings(), clouds=[moving_files / "clouds.npz"]
    )
    assert [pane.name for pane in with_clouds.scenes[0].panes] == ["input", "prediction"]


def test_the_command_writes_a_video_of_a_file(moving_files, capsys):
    pytest.importorskip("pyvista")
    output = moving_files / "a.webp"
    options = ["--output", str(output), "--height", "60", "--trails", "3", "--turntable"]
    draw.main(["video", str(moving_files / "scan"), *options])
    assert "5 frames" in capsys.readouterr().out and len(read(output)[0]) == 5


def test_the_command_films_windows_of_a_run_with_its_own_field(ball_root, tmp_path, capsys):
    """Two windows after each other; the field is that of the weights that made the meshes."""
    pytest.importorskip("pyvista")
    run, output = tmp_path / "run", tmp_path / "a.webp"
    config = str(write_small_config(tmp_path, ball_root))
    steps = ["training.max_iterations=2", "training.validate_every=2", f"output_dir={run}"]
    train.main([config, *steps, "--device", "cpu"])
    generate.main([config, f"output_dir={run}", "--device", "cpu"])
    evaluation.main([config, f"output_dir={run}"])
    command = ["video", str(run), "--arrows", "--device", "cpu", "--height", "40"]
    command += ["--output", str(output)]
    draw.main([*command, "best", "worst"])
    assert "10 frames" in capsys.readouterr().out and len(read(output)[0]) == 10
    assert exit_status(draw.main, [*command, "ball_x/00000"]) == EXIT_USER_ERROR
    assert "no window ball_x/00000; there are: " in capsys.readouterr().err
    assert exit_status(draw.main, [*command, "--weights", "local"]) == EXIT_USER_ERROR
    assert "the meshes were not made with these weights" in capsys.readouterr().err


def test_what_is_missing_is_named_with_the_command_that_installs_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(UserError, match=r"pip install -e \.\[viz\]; or write a \.webp"):
        write_video(tmp_path / "a.mp4", pictures(), 12.0)
    write_video(tmp_path / "a.gif", pictures(), 12.0)  # needs nothing more


def test_endings_without_a_format_are_refused(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        draw.main(["video", "run", "--output", str(tmp_path / "a.avi")])
    assert stop.value.code == EXIT_USER_ERROR
    assert "must end in .mp4, .gif or .webp, got" in capsys.readouterr().err


def test_a_run_that_is_not_there_is_an_error(tmp_path, capsys):
    arguments = ["video", str(tmp_path / "none"), "--output", str(tmp_path / "a.webp")]
    assert exit_status(draw.main, arguments) == EXIT_USER_ERROR
    assert "none" in capsys.readouterr().err
