"""What depth cameras see of synthetic bodies: the near side, placed rightly, and no point twice."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import KDTree

from im2mesh.build import build_config
from im2mesh.command_line import exit_status
from im2mesh.config.schema import Config
from im2mesh.data.dataset import WindowDataset
from im2mesh.data.fingerprint import clip_fingerprint, fingerprint_of
from im2mesh.data.frames import StoredWindow
from im2mesh.data.layout import DEPTH_FOLDER, DataError, Window
from im2mesh.data.observation import draw_observation
from im2mesh.data.pack_clip import pack_clip
from im2mesh.data.variety import vary
from im2mesh.errors import UserError
from im2mesh.meshing.depth_camera import FIELD_OF_VIEW, PIXELS, stand_back
from im2mesh.meshing.rendering import Camera
from im2mesh.preparation.checks.dataset_check import check_dataset
from im2mesh.preparation.checks.report import CategoryReport
from im2mesh.synthesis.animation import animate
from im2mesh.synthesis.body import load_body
from im2mesh.synthesis.clips import ClipSettings, ClipWriter
from im2mesh.synthesis.dataset import make_dataset
from im2mesh.synthesis.depth import noise_at, see_body, surround_by_depth_cameras
from im2mesh.synthesis.plan import CATEGORY, DatasetSettings
from im2mesh.synthesis.splits import Clip
from scripts import make_bodies

SMALL = ClipSettings(frames=3, surface_points=2000, occupancy_points=600, meshes=False)
HIPS = "00_hips"
SQUARE = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], float)
TWO_FACES = np.array([[0, 1, 2], [0, 2, 3]])
MIDDLE = np.full(2, 0.5)


def write_clip(root: Path, settings: ClipSettings) -> Path:
    folder = root / CATEGORY / HIPS
    folder.mkdir(parents=True)
    ClipWriter(folder, Clip(0, "hips"), settings).write(lambda: False, lambda: None)
    return folder


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("depth"), replace(SMALL, depth_views=2))


def faults(reports: Sequence[CategoryReport]) -> list[str]:
    return [line for report in reports for found in report.all_findings() for line in found.faults]


def read(clip: Path, frame: int) -> dict[str, np.ndarray]:
    with np.load(clip / DEPTH_FOLDER / f"{frame:08d}.npz") as file:
        return dict(file)


def in_world(arrays: dict[str, np.ndarray]) -> np.ndarray:
    return arrays["loc"].astype(float) + arrays["scale"] * arrays["points"].astype(float)


def observing(clip: Path, **changes: object) -> Config:
    overrides = {
        "data.root": clip.parents[1],
        "data.input_folder": DEPTH_FOLDER,
        "data.input_pointcloud_corresponding": "false",
        "data.num_frames": 3,
        "data.input_noise": 0.0,
        "data.num_correspondence_points": 10,
        "data.near_surface_fraction": 0.0,
        **{f"data.{key}": value for key, value in changes.items()},
    }
    texts = [f"{key}={value}" for key, value in overrides.items()]
    return build_config("configs/benchmark/local_unordered.yaml", texts)


WINDOW = Window(CATEGORY, HIPS, 0, 3)


def test_a_wall_is_seen_pixel_by_pixel_where_it_is():
    """Each pixel of a square gives the point of the square on its ray, without any noise."""
    camera = stand_back(SQUARE, Camera(np.zeros(3), 1.0, azimuth=0.0, elevation=0.0))
    assert camera.distance == pytest.approx(1.05 / np.tan(np.radians(FIELD_OF_VIEW / 2)))
    ways, depth = camera.see(SQUARE, TWO_FACES, MIDDLE)
    points = camera.position + depth[:, None] * ways
    np.testing.assert_allclose(depth, camera.distance)
    assert np.abs(points[:, 2]).max() < 1e-9 and np.abs(points).max() <= 1
    assert len(points) == pytest.approx((PIXELS / 1.05) ** 2, rel=0.02)
    assert len(np.unique(points.round(9), axis=0)) == len(points)
    image = points @ camera.projection[:, :3].T + camera.projection[:, 3]
    pixels = (image[:, :2] / image[:, 2:] + 1) / 2 * PIXELS - 0.5
    np.testing.assert_allclose(pixels, pixels.round(), atol=1e-6)


def test_what_is_behind_a_wall_is_not_seen():
    """A smaller square in front hides the middle of the wall, in perspective."""
    front = SQUARE * 0.5 + [0, 0, 0.5]
    camera = stand_back(SQUARE, Camera(np.zeros(3), 1.0, azimuth=0.0, elevation=0.0))
    ways, depth = camera.see(
        np.concatenate([SQUARE, front]), np.concatenate([TWO_FACES, TWO_FACES + 4]), MIDDLE
    )
    points = camera.position + depth[:, None] * ways
    near, far = points[points[:, 2] > 0.25], points[points[:, 2] < 0.25]
    shadow = 0.5 * camera.distance / (camera.distance - 0.5)
    np.testing.assert_allclose(near[:, 2], 0.5)
    assert np.abs(near[:, :2]).max() == pytest.approx(0.5, abs=0.01)
    assert np.abs(far[:, :2]).max(1).min() == pytest.approx(shadow, abs=0.01)


def test_a_body_is_seen_from_one_side_with_the_noise_of_the_depth(rng):
    vertices = animate(Clip(0, "hips"), 2, seed=0).astype(float)
    faces = load_body(0).faces
    (camera,) = surround_by_depth_cameras(vertices, 1)
    ways, depth = camera.see(vertices[0], faces, MIDDLE)
    exact = camera.position + depth[:, None] * ways
    corners = vertices[0][faces]
    assert 4000 < len(exact) < 20000
    outward = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    nearest = KDTree(corners.mean(1)).query(exact)[1]
    faces_camera = np.einsum("nd,nd->n", outward[nearest], camera.position - exact) > 0
    assert faces_camera.mean() > 0.97  # the middle of a face is not the point itself
    noisy, views = see_body(vertices[0], faces, [camera], rng)
    off = np.abs(KDTree(exact).query(noisy)[0])
    assert np.median(off) < 3 * noise_at(depth).max()
    assert set(views) == {0}
    assert noise_at(np.array([4.0]))[0] > 3 * noise_at(np.array([2.0]))[0]


def test_two_cameras_see_front_and_back_and_other_points_in_every_frame(clip):
    frames = [read(clip, k) for k in range(3)]
    assert [path.name for path in sorted((clip / DEPTH_FOLDER).iterdir())] == [
        f"{k:08d}.npz" for k in range(3)
    ]
    with np.load(clip / "pcl_seq" / "00000000.npz") as file:
        surface = in_world(file)
        assert frames[0]["scale"] == file["scale"] and (frames[0]["loc"] == file["loc"]).all()
    points, views = in_world(frames[0]), frames[0]["views"]
    assert set(views) == {0, 1}
    assert KDTree(surface).query(points)[0].mean() < 0.03 * frames[0]["scale"]
    assert (
        KDTree(points).query(surface)[0].mean() < 0.03 * frames[0]["scale"]
    )  # both sides are seen
    one_side = KDTree(points[views == 0]).query(surface)[0]
    assert np.quantile(one_side, 0.75) > 0.05
    for view in (0, 1):
        matrix = frames[0]["cameras"][view]
        image = points[views == view] @ matrix[:, :3].T + matrix[:, 3]
        assert np.abs(image[:, :2] / image[:, 2:]).max() < 1  # the whole body is in view
    assert len({len(frame["points"]) for frame in frames}) > 1


def test_the_config_key_selects_them(clip):
    data = observing(clip, num_input_points=500).data
    seen = draw_observation(data, WINDOW, np.random.default_rng(0), random_view=False).inputs
    stored = StoredWindow(clip.parents[1], WINDOW)
    for frame in range(3):
        depth = stored.surface_points(frame, DEPTH_FOLDER).points
        assert KDTree(depth).query(seen[frame])[0].max() == 0
    again = draw_observation(data, WINDOW, np.random.default_rng(0), random_view=False).inputs
    np.testing.assert_array_equal(seen, again)
    other = observing(clip, input_folder="pcl_seq", num_input_points=500).data
    whole = draw_observation(other, WINDOW, np.random.default_rng(0), random_view=False).inputs
    assert KDTree(stored.surface_points(0, DEPTH_FOLDER).points).query(whole[0])[0].min() > 0


def test_one_of_the_cameras_is_observed(clip):
    """The first one, and in training a random one, the same throughout a window."""
    data = observing(clip, num_input_points=200, input_cameras=1).data
    stored, seen_by = StoredWindow(clip.parents[1], WINDOW), []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        seen = draw_observation(data, WINDOW, rng, random_view=seed > 0).inputs
        found = []
        for frame in range(3):
            whole, cameras = stored.surface_points(frame, DEPTH_FOLDER), stored.seen_by(frame)
            away, rows = KDTree(whole.points).query(seen[frame])
            assert away.max() == 0
            found.append(set(cameras[rows].tolist()))
        assert found[0] == found[1] == found[2] and len(found[0]) == 1
        seen_by.append(*found[0])
    assert seen_by[0] == 0 and set(seen_by[1:]) == {0, 1}


def test_more_cameras_than_there_are_is_an_error(clip):
    with pytest.raises(
        DataError, match=r"2 depth cameras saw it, and data\.input_cameras asks for 3"
    ):
        data = observing(clip, input_cameras=3).data
        draw_observation(data, WINDOW, np.random.default_rng(0), random_view=False)


def test_training_varies_their_clouds(clip):
    """With as many points as a camera saw that shows the least; some are seen from all around."""
    data = observing(clip, input_variety=1.0).data
    samples = WindowDataset([WINDOW], data, seed=0, shuffle=True, num_points=20)
    sizes = {samples[draw].inputs.shape[1] for draw in range(12)}
    least = min(np.bincount(read(clip, frame)["views"]).min() for frame in range(3))
    assert len(sizes) > 6 and max(sizes) <= least
    varied = [vary(data, 0, 7, lambda: 1000, np.random.default_rng(seed)) for seed in range(300)]
    kinds = Counter((config.input_folder, config.input_cameras) for config in varied)
    assert set(kinds) == {("depth_seq", 0), ("depth_seq", 1), ("pcl_seq", 0)}
    assert min(kinds.values()) > 75


def test_packed_clips_hold_them(clip, tmp_path):
    target = tmp_path / CATEGORY / HIPS
    pack_clip(clip, target)
    assert fingerprint_of(target) == fingerprint_of(clip)
    data = observing(clip).data
    packed = data.model_copy(update={"root": str(tmp_path)})
    ours, theirs = (
        draw_observation(config, WINDOW, np.random.default_rng(3), random_view=False).inputs
        for config in (packed, data)
    )
    assert ours.tobytes() == theirs.tobytes()


def test_the_check_of_a_data_set_reads_them(tmp_path):
    clip = write_clip(tmp_path, replace(SMALL, depth_views=1))
    reports = check_dataset(tmp_path, None, 1)
    assert faults(reports) == []
    arrays = read(clip, 1)
    arrays["points"] = arrays["points"] + np.float16(0.4)
    np.savez(clip / DEPTH_FOLDER / "00000001.npz", **arrays)  # pyright: ignore[reportArgumentType]
    reports = check_dataset(tmp_path, None, 1)
    assert "points of depth_seq are farther than" in "".join(faults(reports))


def test_notes_and_fingerprints_without_depth_stay(tmp_path):
    """Published fingerprints count the notes, which know no depth cameras."""
    clip = write_clip(tmp_path, SMALL)
    assert "depth_views" not in json.loads((clip / "complete.json").read_text())
    assert ClipWriter(clip, Clip(0, "hips"), SMALL).is_complete()
    with pytest.raises(UserError, match="depth_views 0 there, 1 asked for"):
        ClipWriter(clip, Clip(0, "hips"), replace(SMALL, depth_views=1)).is_complete()
    assert clip_fingerprint(tmp_path, CATEGORY, HIPS)


def test_another_data_set_is_not_mixed_in(tmp_path):
    motions = ("hips", "knees", "punching")
    few = replace(SMALL, frames=1, surface_points=20)
    make_dataset(tmp_path, DatasetSettings(2, motions, replace(few, depth_views=1), "none"))
    with pytest.raises(UserError, match="depth_views 1 there, 0 asked for"):
        make_dataset(tmp_path, DatasetSettings(2, motions, few, "none"))
    assert json.loads((tmp_path / "dataset.json").read_text())["depth_views"] == 1
    make_dataset(tmp_path, DatasetSettings(2, motions, few, "none"), overwrite=True)
    assert not list(tmp_path.rglob(DEPTH_FOLDER))


def test_script_makes_them(tmp_path):
    arguments = ["--bodies", "2", "--motions", "hips", "knees", "punching", "--frames", "1"]
    arguments += ["--surface-points", "20", "--occupancy-points", "20", "--meshes", "none"]
    arguments += ["--depth-views", "3"]
    assert exit_status(make_bodies.main, [str(tmp_path), *arguments]) == 0
    files = list(tmp_path.rglob(f"{DEPTH_FOLDER}/*.npz"))
    assert len(files) == 6
    with np.load(files[0]) as file:
        assert set(file["views"]) == {0, 1, 2} and file["cameras"].shape == (3, 3, 4)


def test_more_cameras_than_a_byte_counts_are_refused():
    with pytest.raises(UserError, match="depth_views must be at most 256, got 257"):
        ClipSettings(depth_views=257)
