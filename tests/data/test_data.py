"""Windows, frames of reference, rows, and broken files that name themselves."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from im2mesh.config.schema import DataConfig
from im2mesh.data.batch import Observation, collate, frame_times
from im2mesh.data.clip_files import clip_files, frame_numbers
from im2mesh.data.dataset import WindowDataset, spread_windows
from im2mesh.data.frames import StoredWindow, first_frame
from im2mesh.data.layout import DataError, Window
from im2mesh.data.observation import draw_observation
from im2mesh.data.storage import StorageError, open_arrays
from im2mesh.data.transforms import (
    NormalizationFrame,
    add_noise,
    bounding_frame,
    change_frames,
    choose_rows,
    replace_by_outliers,
)
from im2mesh.data.windows import read_windows
from im2mesh.errors import Advice
from im2mesh.runs.folder import WindowFolder
from tests.ball import (
    CATEGORY,
    GROWTH,
    NUM_FRAMES,
    ball_motion,
    write_ball_dataset,
    write_ball_images,
)

WINDOW = Window(CATEGORY, "ball_b", 3, 5)
FLOAT16_STEP = 2e-3  # of positions up to 1, after a change of frame


def windows(root, split="train", **changes):
    settings = {"num_frames": 5, "stride": 1, "skip_frames": 0, **changes}
    return read_windows(root, split, **settings)


@pytest.fixture
def copied_root(ball_root, tmp_path):
    """Data that a test may damage."""
    root = tmp_path / "data"
    shutil.copytree(ball_root, root)
    clip_files.cache_clear()
    frame_numbers.cache_clear()
    first_frame.cache_clear()
    return root


def config(root, **changes) -> DataConfig:
    settings = {
        "num_frames": 5,
        "skip_frames": 0,
        "num_input_points": 20,
        "num_points": 30,
        "num_correspondence_points": 10,
        **changes,
    }
    return DataConfig(root=str(root), **settings)


def dataset(root, shuffle=True, batch_size=1, **changes) -> WindowDataset:
    options = {"seed": 0, "shuffle": shuffle, "num_points": 30, "batch_size": batch_size}
    return WindowDataset(windows(root), config(root, **changes), **options)


def test_windows_of_a_split(ball_root):
    found = windows(ball_root)
    assert len(found) == 2 * (NUM_FRAMES - 5 + 1)
    assert found[0] == Window(CATEGORY, "ball_a", 0, 5)
    starts = [w.start for w in windows(ball_root, "val", stride=3, skip_frames=2)]
    assert starts == [2, 5]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"split": "tset"}, "no file .*tset.lst"),
        ({"num_frames": 13}, "lower data.num_frames or data.skip_frames"),
        ({"clips": ["ball_z"]}, "ball_z not in split 'train'; its clips are: ball_a, ball_b"),
        (
            {"categories": ["cubes"]},
            "no category 'cubes' in .*; there are: balls; set data.categories",
        ),
    ],
)
def test_impossible_windows(ball_root, changes, message):
    with pytest.raises(DataError, match=message):
        windows(ball_root, **changes)


def test_windows_of_frames_that_lie_apart(ball_root):
    """5 frames, 2 apart, span 9 of the clip's 12: 4 starts."""
    found = windows(ball_root, frame_step=2)
    assert [w.start for w in found if w.clip == "ball_a"] == [0, 1, 2, 3]
    window = found[1]
    plain = Window(window.category, window.clip, window.start, window.num_frames)
    assert (str(plain), str(window)) == ("ball_a/00001", "ball_a/00001_step2")
    assert WindowFolder.of(Path("x"), plain).path == Path("x/balls/ball_a/00001")
    assert WindowFolder.of(Path("x"), window).path == Path("x/balls/ball_a/00001_step2")
    message = r"has 13 frames \(a window of 5 frames, 3 apart\) after .*, or data\.frame_step"
    with pytest.raises(DataError, match=message):
        windows(ball_root, frame_step=3)


def test_frames_that_lie_apart_are_read_from_the_right_files(ball_root):
    """Frame 2 of a window with step 2 is frame 4 of the window with step 1."""
    apart = Window(CATEGORY, "ball_b", 3, 5, frame_step=2)
    long = Window(CATEGORY, "ball_b", 3, 9)
    for frame in range(5):
        same = StoredWindow(ball_root, long).surface_points(2 * frame).points
        np.testing.assert_array_equal(
            StoredWindow(ball_root, apart).surface_points(frame).points, same
        )
        labels = StoredWindow(ball_root, long).labelled_points(2 * frame)
        found = StoredWindow(ball_root, apart).labelled_points(frame)
        np.testing.assert_array_equal(found.points, labels.points)
        np.testing.assert_array_equal(found.occupancy, labels.occupancy)
    rows = np.array([5, 99, 7])
    path = StoredWindow(ball_root, long).trajectories(rows)
    np.testing.assert_array_equal(StoredWindow(ball_root, apart).trajectories(rows), path[::2])
    data = WindowDataset([apart], config(ball_root), seed=0, shuffle=True, num_points=30)
    assert data[0].inputs.shape == (5, 20, 3) and data[0].t in {0.25, 0.5, 0.75, 1.0}


def test_missing_data_folder():
    with pytest.raises(DataError, match=r"data folder nowhere does not exist; set data\.root"):
        windows("nowhere")


def test_positions_are_in_the_first_frames_coordinates(ball_root):
    """In the coordinates of frame 3, the ball of frame 5 is off-centre and larger."""
    motion = ball_motion("ball_b")
    scale = 2 * motion.radius(3)
    loc = motion.center(3).astype(np.float16)
    frame = StoredWindow(ball_root, WINDOW).frame
    np.testing.assert_allclose(frame.loc, loc)
    points = StoredWindow(ball_root, WINDOW).surface_points(2).points
    center = (motion.center(5) - loc) / scale
    radii = np.linalg.norm(points - center, axis=1)
    np.testing.assert_allclose(radii, 0.5 * GROWTH**2, atol=FLOAT16_STEP)
    np.testing.assert_allclose(frame.to_world(points).mean(0), motion.center(5), atol=0.03)


def test_rows_are_the_same_particles_over_time(ball_root):
    rows = np.array([5, 99, 7])
    path = StoredWindow(ball_root, WINDOW).trajectories(rows)
    motion, frame = ball_motion("ball_b"), StoredWindow(ball_root, WINDOW).frame
    first = frame.to_world(path[0])
    resting = (first - motion.center(3)) / motion.radius(3)
    turn = 3 * motion.turn
    undo = np.array([[np.cos(turn), 0, -np.sin(turn)], [0, 1, 0], [np.sin(turn), 0, np.cos(turn)]])
    expected = motion.to_world(resting @ undo.T, 7)
    np.testing.assert_allclose(frame.to_world(path[4]), expected, atol=FLOAT16_STEP)
    whole = StoredWindow(ball_root, WINDOW).surface_points(4).points
    np.testing.assert_array_equal(path[4], whole[rows])


@pytest.mark.parametrize("folder", ["points_seq", "points_near_seq"])
def test_labels_survive_packing(ball_root, folder):
    found = StoredWindow(ball_root, WINDOW).labelled_points(2, folder=folder)
    frame, motion = StoredWindow(ball_root, WINDOW).frame, ball_motion("ball_b")
    radii = np.linalg.norm(frame.to_world(found.points) - motion.center(5), axis=1)
    clear = np.abs(radii - motion.radius(5)) > 1e-3
    np.testing.assert_array_equal(found.occupancy[clear], (radii < motion.radius(5))[clear])
    rows = np.array([0, 7, 8, 9, 400])
    few = StoredWindow(ball_root, WINDOW).labelled_points(2, rows, folder)
    np.testing.assert_array_equal(few.points, found.points[rows])
    np.testing.assert_array_equal(few.occupancy, found.occupancy[rows])


def test_sample_shapes_and_ranges(ball_root):
    sample = dataset(ball_root)[3]
    assert sample.inputs.shape == (5, 20, 3)
    assert sample.points_0.shape == sample.points_t.shape == (30, 3)
    assert sample.pointcloud.shape == (5, 10, 3)
    assert set(np.unique(sample.occupancy_0)) <= {0.0, 1.0}
    assert sample.t in {0.25, 0.5, 0.75, 1.0}
    assert all(a.dtype == np.float32 for a in (sample.inputs, sample.points_t, sample.pointcloud))


def test_a_draw_is_the_same_whenever_it_is_asked_for(ball_root):
    first, second = dataset(ball_root), dataset(ball_root)
    second[40]  # another pass over the windows in between
    for draw in (3, 25):
        a, b = first[draw], second[draw]
        assert a.window == b.window
        np.testing.assert_array_equal(a.inputs, b.inputs)
        np.testing.assert_array_equal(a.points_t, b.points_t)
    assert not np.array_equal(first[3].inputs, first[3 + len(first)].inputs)


def test_every_pass_visits_every_window_once_in_an_order_of_its_own(ball_root):
    data = dataset(ball_root)
    passes = [[data[k + start].window for k in range(len(data))] for start in (0, len(data))]
    assert sorted(passes[0]) == sorted(passes[1]) == sorted(data.windows)
    assert passes[0] != passes[1]


def test_near_surface_points_are_mixed_in(ball_root):
    sample = dataset(ball_root, near_surface_fraction=0.5)[0]
    radii = np.linalg.norm(sample.points_0, axis=1)
    near = np.abs(radii - 0.5) < 0.06
    assert near[15:].all() and not near[:15].all()
    assert len(sample.points_0) == 30


def test_noise_is_on_the_input_alone(ball_root):
    exact = dataset(ball_root, input_noise=0.0)[0]
    noisy = dataset(ball_root, input_noise=0.05)[0]
    np.testing.assert_array_equal(exact.pointcloud, noisy.pointcloud)
    assert 0.03 < (exact.inputs - noisy.inputs).std() < 0.07


def observe(root, **changes) -> Observation:
    rng = np.random.default_rng(1)
    return draw_observation(config(root, **changes), WINDOW, rng, random_view=True)


def test_without_outliers_and_hole_only_rows_and_noise_are_drawn(ball_root):
    """What was observed before there were such settings is observed still."""
    rng = np.random.default_rng(1)
    rows = choose_rows(600, 20, rng, "x")
    expected = add_noise(StoredWindow(ball_root, WINDOW).trajectories(rows), 0.001, rng)
    np.testing.assert_array_equal(observe(ball_root).inputs, expected)
    frame = int(np.random.default_rng((0, 0, 3)).integers(1, 5))  # the first draw of a sample
    assert dataset(ball_root)[3].t == frame / 4


def test_outliers_take_the_same_rows_if_points_correspond(ball_root):
    exact = observe(ball_root, input_noise=0.0).inputs
    seen = observe(ball_root, input_noise=0.0, input_outliers=0.2).inputs
    np.testing.assert_array_equal(
        seen, observe(ball_root, input_noise=0.0, input_outliers=0.2).inputs
    )
    differs = (seen != exact).any(-1)  # [frames, points]
    assert (differs.sum(1) == 4).all() and (differs == differs[0]).all()
    outliers = seen[:, differs[0]]
    assert np.abs(np.diff(outliers, axis=0)).max() > 0.1  # drawn anew in every frame


def test_outliers_of_independent_clouds_take_rows_of_their_own(ball_root):
    changes = {"input_noise": 0.0, "input_pointcloud_corresponding": False}
    exact = observe(ball_root, **changes).inputs
    seen = observe(ball_root, **changes, input_outliers=0.2).inputs
    differs = (seen != exact).any(-1)
    assert (differs.sum(1) == 4).all() and not (differs == differs[0]).all()


@pytest.mark.parametrize("same_rows", [True, False])
def test_outliers_fill_the_enlarged_box(same_rows, rng):
    clouds = rng.uniform([0, 10, -1], [2, 11, 3], (3, 5000, 3)).astype(np.float32)
    spoilt = replace_by_outliers(clouds, 1.0, rng, same_rows=same_rows)
    assert spoilt.dtype == clouds.dtype
    np.testing.assert_allclose(spoilt.min((0, 1)), [-0.1, 9.95, -1.2], atol=0.01)
    np.testing.assert_allclose(spoilt.max((0, 1)), [2.1, 11.05, 3.2], atol=0.01)
    state = rng.bit_generator.state
    assert replace_by_outliers(clouds, 0.0, rng, same_rows=same_rows) is clouds
    assert rng.bit_generator.state == state


def test_all_frames_are_observed_by_default(ball_root):
    seen = observe(ball_root)
    assert seen.inputs.shape == (5, 20, 3)
    np.testing.assert_allclose(seen.times, [0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_array_equal(seen.inputs, observe(ball_root).inputs)


def test_two_even_frames_are_the_first_and_the_last(ball_root):
    every = observe(ball_root, input_noise=0.0)
    ends = observe(ball_root, input_noise=0.0, num_input_frames=2)
    np.testing.assert_array_equal(ends.times, [0, 1])
    np.testing.assert_array_equal(ends.inputs, every.inputs[[0, -1]])


def test_random_frames_are_in_order_and_begin_with_the_first(ball_root):
    data = dataset(ball_root, num_input_frames=3, input_frames="random")
    times = np.stack([data[k].input_times for k in range(30)])
    assert (times[:, 0] == 0).all() and (np.diff(times, axis=1) > 0).all()
    assert {tuple(row) for row in times.tolist()} == {
        (0, a / 4, b / 4) for a in range(1, 5) for b in range(a + 1, 5)
    }


def test_clouds_without_correspondence_show_other_points_in_every_frame(ball_root):
    motion = ball_motion("ball_b")
    frame = StoredWindow(ball_root, WINDOW).frame

    same = observe(ball_root, input_noise=0.0)
    other = observe(ball_root, input_noise=0.0, input_pointcloud_corresponding=False)
    assert other.inputs.shape == same.inputs.shape
    steps = np.linalg.norm(np.diff(same.inputs, axis=0), axis=-1)
    jumps = np.linalg.norm(np.diff(other.inputs, axis=0), axis=-1)
    assert steps.max() < 0.1 < np.median(jumps)
    radii = np.linalg.norm(
        frame.to_world(other.inputs[0].astype(np.float64)) - motion.center(3), axis=1
    )
    np.testing.assert_allclose(radii, motion.radius(3), atol=2e-3)


def test_clouds_of_different_sizes(copied_root):
    """Rows of scans do not correspond: refused by default, and the way out works."""
    path = Path(clip_files(str(copied_root), CATEGORY, "ball_b", "pcl_seq")[5])
    arrays = dict(np.load(path))
    np.savez(path, **{**arrays, "points": np.concatenate([arrays["points"]] * 2)})
    message = r"clip ball_b: .* holds 1200 points, the first frame of the window 600; .* set data\."
    with pytest.raises(DataError, match=message):
        observe(copied_root)
    with pytest.raises(DataError, match=message):
        dataset(copied_root, input=None, num_input_points=1)._draw_trajectories(
            StoredWindow(copied_root, WINDOW), np.random.default_rng(0)
        )
    unordered = {"input_pointcloud_corresponding": False, "num_correspondence_points": 0}
    samples = dataset(copied_root, **unordered)
    for k in range(len(samples)):
        assert samples[k].inputs.shape == (5, 20, 3) and samples[k].pointcloud.shape == (5, 0, 3)


def test_nothing_is_observed_where_a_clip_is_in_the_weights(ball_root):
    seen = observe(ball_root, input=None)
    assert seen.inputs.shape == (0, 0, 3) and seen.times.shape == (0,)


def test_images_come_from_a_random_view_in_training_and_the_first_in_test(tmp_path):
    write_ball_dataset(tmp_path)
    write_ball_images(tmp_path, num_views=3, size=16)
    settings = config(tmp_path, input="images", num_views=3, image_size=16)

    def image(random_view: bool, seed: int) -> bytes:
        rng = np.random.default_rng(seed)
        seen = draw_observation(settings, WINDOW, rng, random_view=random_view)
        assert seen.inputs.shape == (5, 3, 16, 16) and len(seen.times) == 5
        return seen.inputs.tobytes()

    assert len({image(True, seed) for seed in range(20)}) == 3
    assert len({image(False, seed) for seed in range(20)}) == 1
    shutil.rmtree(tmp_path / CATEGORY / "ball_b" / "img" / "1")
    with pytest.raises(DataError, match="clip ball_b: img has views 0, 2, expected 3"):
        image(False, 0)


def test_methods_without_occupancy_need_no_labelled_points(tmp_path):
    write_ball_dataset(tmp_path)
    for folder in tmp_path.rglob("points*_seq"):
        shutil.rmtree(folder)
    settings = config(tmp_path, num_points=0)
    data = WindowDataset(windows(tmp_path), settings, seed=0, shuffle=True, num_points=0)
    assert data[0].points_0.shape == (0, 3) and data[0].pointcloud.shape == (5, 10, 3)


def test_collate(ball_root):
    data = dataset(ball_root)
    batch = collate([data[0], data[1]])
    assert batch.inputs.shape == (2, 5, 20, 3)
    assert batch.windows == (data[0].window, data[1].window)
    torch.testing.assert_close(batch.times, torch.tensor([0, 0.25, 0.5, 0.75, 1]))
    assert batch.to(torch.device("cpu")).t.dtype == torch.float32


@pytest.mark.parametrize("num_frames", [2, 9, 17, 50])
def test_any_sequence_length_has_times_from_0_to_1(num_frames):
    times = frame_times(num_frames)
    assert len(times) == num_frames and times[0] == 0 and times[-1] == 1


def test_spread_windows(ball_root):
    found = windows(ball_root)
    assert spread_windows(found, None) == found
    chosen = spread_windows(found, 3)
    assert chosen == [found[0], found[round((len(found) - 1) / 2)], found[-1]]


def damage(root: Path, folder: str, action: str) -> Path:
    path = root / CATEGORY / "ball_b" / folder / "00000012.npz"
    if action == "missing":
        path.unlink()
    elif action == "short":
        path.write_bytes(path.read_bytes()[:700])
    elif action == "truncated":
        path.write_bytes(path.read_bytes()[:-50])
    elif action == "garbage":
        path.write_bytes(b"no npz at all")
    elif action == "empty":
        path.write_bytes(b"")
    return path


@pytest.mark.parametrize("action", ["missing", "short", "truncated", "garbage", "empty"])
@pytest.mark.parametrize("folder", ["pcl_seq", "points_seq"])
def test_a_bad_file_is_an_error_that_names_clip_and_file(copied_root, folder, action):
    path = damage(copied_root, folder, action)
    with pytest.raises(DataError) as error:
        for frame in range(5):
            StoredWindow(copied_root, WINDOW).surface_points(frame)
            StoredWindow(copied_root, WINDOW).labelled_points(frame)
    assert "clip ball_b" in str(error.value)
    assert str(path) in str(error.value) or (
        action == "missing" and str(path.parent) in str(error.value)
    )


def rewrite(root: Path, folder: str = "pcl_seq", **changes) -> None:
    path = root / CATEGORY / "ball_b" / folder / "00000012.npz"
    with np.load(path) as arrays:
        values = {**arrays, **changes}
    np.savez(path, **{key: value for key, value in values.items() if value is not None})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"points": None}, "has no array 'points'; it holds: normals, loc, scale"),
        (
            {"points": np.zeros((3, 600), np.float16)},
            r"points must have shape \[N, 3\], got \[3, 600\]; write them as",
        ),
        ({"points": np.full((600, 3), "a")}, "'points' holds <U1, expected numbers"),
        ({"points": np.zeros((0, 3), np.float16)}, r"points must have shape .* \[0, 3\]"),
        ({"points": np.full((600, 3), np.nan, np.float16)}, "points hold NaN or infinity"),
        ({"points": np.zeros((9, 3), np.float16)}, "rows of pcl_seq must correspond"),
        ({"scale": np.float64(0)}, "not a frame of reference"),
        ({"loc": np.array([np.nan, 0, 0], np.float16)}, "not a frame of reference"),
        ({"loc": np.array(["a", "b", "c"])}, "'loc' holds <U1, expected numbers"),
        ({"points": np.array([None, 1], dtype=object)}, "not an intact npz file"),
    ],
)
def test_wrong_contents_are_named(copied_root, changes, message):
    rewrite(copied_root, **changes)
    with pytest.raises(DataError, match=message) as error:
        StoredWindow(copied_root, WINDOW).trajectories(np.arange(50))
    assert "00000012.npz" in str(error.value)


@pytest.mark.parametrize(
    ("normals", "message"),
    [
        (np.zeros((5, 3), np.float16), "5 normals for 600 points; one for each, or none"),
        (np.zeros((600, 2), np.float16), r"normals must have shape \[N, 3\]"),
        (np.full((600, 3), np.inf, np.float16), "normals hold NaN or infinity"),
    ],
)
def test_wrong_normals_are_named(copied_root, normals, message):
    rewrite(copied_root, normals=normals)
    with pytest.raises(DataError, match=message) as error:
        StoredWindow(copied_root, WINDOW).surface_points(2)
    assert "00000012.npz" in str(error.value)


def test_points_that_are_not_finite_are_named_whoever_reads_them(copied_root):
    bad = np.zeros((1001, 3), np.float16)
    bad[7, 1] = np.inf
    rewrite(copied_root, "points_seq", points=bad)
    with pytest.raises(DataError, match=r"00000012\.npz: points hold NaN or infinity"):
        StoredWindow(copied_root, WINDOW).labelled_points(2)
    rewrite(copied_root, points=bad[:600])
    with pytest.raises(DataError, match=r"00000012\.npz: points hold NaN or infinity"):
        StoredWindow(copied_root, WINDOW).surface_rows(2, np.arange(50))


def test_wrong_labels_are_named(copied_root):
    rewrite(copied_root, "points_seq", occupancies=np.zeros(5, np.uint8))
    with pytest.raises(DataError, match=r"packed bits .* of 1001 flags"):
        StoredWindow(copied_root, WINDOW).labelled_points(2)


def test_more_points_than_stored(ball_root):
    with pytest.raises(DataError, match="pcl_seq has 600 rows, 700 were asked for"):
        dataset(ball_root, num_input_points=700)[0]


def test_compressed_files_are_read_with_a_warning(tmp_path):
    points = np.random.default_rng(0).random((10, 3))
    np.savez_compressed(tmp_path / "a.npz", points=points)
    with pytest.warns(UserWarning, match="is compressed"):
        np.testing.assert_array_equal(open_arrays(str(tmp_path / "a.npz"))["points"], points)


def test_stored_arrays_equal_what_numpy_reads(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {
        "a": rng.random((7, 3)).astype(np.float16),
        "b": np.asfortranarray(rng.random((4, 5))),
        "c": np.float64(2.5),
        "d": np.zeros((0, 3)),
    }
    np.savez(tmp_path / "x.npz", **arrays)
    stored = open_arrays(str(tmp_path / "x.npz"))
    for name, value in arrays.items():
        np.testing.assert_array_equal(stored[name], value)
        assert not stored[name].flags.writeable
    assert "a" in stored and "z" not in stored


def test_a_changed_file_is_noticed(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, points=np.zeros((5, 3)))
    assert open_arrays(str(path))["points"].shape == (5, 3)
    np.savez(path, points=np.ones((8, 3)))
    assert open_arrays(str(path))["points"].shape == (8, 3)


def test_a_header_that_claims_too_much_is_refused(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, points=np.zeros((5, 3)))
    content = path.read_bytes().replace(
        b"'shape': (5, 3), }         ", b"'shape': (5000000000, 3), }"
    )
    path.write_bytes(content)
    with pytest.raises(StorageError, match=r"x\.npz"):
        open_arrays(str(path))


WORLD = NormalizationFrame(np.zeros(3), 1.0)


def test_frames_of_reference(rng):
    points = rng.random((50, 3)) * [1, 3, 2] + 5
    frame = bounding_frame(points)
    local = frame.from_world(points)
    assert np.ptp(local, axis=0).max() == pytest.approx(1)
    np.testing.assert_allclose(local.max(0) + local.min(0), 0, atol=1e-12)
    np.testing.assert_allclose(frame.to_world(local), points)
    other = NormalizationFrame(np.array([1.0, 2.0, 3.0]), 0.5)
    moved = change_frames(np.stack([local, points]).astype(np.float32), [frame, WORLD], other)
    np.testing.assert_allclose(other.to_world(moved), np.stack([points] * 2), atol=1e-5)


def test_points_without_extent_have_no_frame():
    with pytest.raises(ValueError, match="no extent"):
        bounding_frame(np.ones((4, 3)))


def test_rows_are_different(rng):
    assert len(set(choose_rows(10, 10, rng, "x"))) == 10


def test_all_clips_need_no_split_file(copied_root):
    for path in copied_root.rglob("*.lst"):
        path.unlink()
    (copied_root / ".Trash-0").mkdir()
    (copied_root / CATEGORY / ".git").mkdir()
    found = {(window.category, window.clip) for window in windows(copied_root, "all")}
    clips = {path.name for path in (copied_root / CATEGORY).iterdir()} - {".git"}
    assert found == {(CATEGORY, clip) for clip in clips} and len(found) > 2
    assert {window.clip for window in windows(copied_root, "all", clips=["ball_b"])} == {"ball_b"}
    with pytest.raises(DataError, match=r"no file .*test\.lst; .*split all takes every clip"):
        windows(copied_root, "test")
    (copied_root / CATEGORY / "all.lst").write_text("ball_a\n")  # a file of that name counts
    assert {window.clip for window in windows(copied_root, "all")} == {"ball_a"}


def test_folders_beside_the_clips_are_left_out_and_named(copied_root):
    for path in copied_root.rglob("*.lst"):
        path.unlink()
    before = windows(copied_root, "all")
    for folder in (copied_root / CATEGORY / "results", copied_root / "results" / "balls"):
        folder.mkdir(parents=True)
    with pytest.warns(Advice, match=r"split 'all' leaves out .*balls without pcl_seq: results"):
        assert windows(copied_root, "all") == before


def test_data_without_clips_are_refused(tmp_path):
    (tmp_path / CATEGORY / "ball_a" / "clouds").mkdir(parents=True)
    with pytest.raises(DataError, match="holds no folder of a clip, which has a folder pcl_seq"):
        windows(tmp_path, "all")


def test_labels_that_are_missing_name_the_way_out(copied_root):
    shutil.rmtree(copied_root / CATEGORY / "ball_a" / "points_seq")
    with pytest.raises(DataError, match=r"points_seq; set loss\.reconstruction=0 to train without"):
        clip_files(copied_root, CATEGORY, "ball_a", "points_seq")


def test_no_split_is_all_clips(ball_root):
    assert DataConfig(root=str(ball_root), test_split=None).test_split == "all"  # pyright: ignore[reportArgumentType]
