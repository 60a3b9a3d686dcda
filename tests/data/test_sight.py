"""Clouds of imperfect sensors: holes, one side, uneven density, and training with all of them."""

from pathlib import Path

import numpy as np
import pytest

from im2mesh.data.batch import collate
from im2mesh.data.clip_files import clip_files
from im2mesh.data.frames import StoredWindow
from im2mesh.data.layout import DataError
from im2mesh.data.sight import draw_sight, follow_point, sees_from
from im2mesh.data.variety import vary
from tests.ball import CATEGORY, GROWTH
from tests.data.test_data import FLOAT16_STEP, WINDOW, config, copied_root, dataset, observe

__all__ = ["copied_root"]  # a fixture
LAG = 0.05  # of a hole behind the part it was cut into


def sphere(count: int, rng: np.random.Generator, radius: float = 0.5) -> np.ndarray:
    points = rng.normal(size=(count, 3))
    return radius * points / np.linalg.norm(points, axis=1, keepdims=True)


@pytest.mark.parametrize("extra", [0, 1])
def test_a_point_is_followed_by_nearness(rng, extra):
    """Also where clouds have one size, which says nothing of their rows."""
    cloud = rng.random((50, 3)).astype(np.float32)
    order = rng.permutation(50 + extra)
    moved = np.concatenate([cloud + 0.001, cloud[:extra] + 9])[order]
    places = follow_point([cloud, moved, cloud], 7)
    np.testing.assert_array_equal(places[1], cloud[7] + np.float32(0.001))
    np.testing.assert_array_equal(places[2], cloud[7])


@pytest.mark.parametrize("corresponding", [True, False])
def test_the_hole_follows_the_body(ball_root, corresponding):
    """The hole of a ball that turns, drifts and grows turns and drifts with it; found by nearness,
    it lags by less than the distance between points, where the ball moves by 0.2."""
    changes = {
        "input_noise": 0.0,
        "input_pointcloud_corresponding": corresponding,
        "num_input_points": 400,
    }
    seen = observe(ball_root, **changes, input_hole=0.3).inputs
    np.testing.assert_array_equal(seen, observe(ball_root, **changes, input_hole=0.3).inputs)
    row = int(np.random.default_rng(1).integers(600))  # the first draw
    center = StoredWindow(ball_root, WINDOW).trajectories(np.array([row]))  # [frames, 1, 3]
    nearest = np.linalg.norm(seen - center, axis=-1).min(1)
    assert seen.shape == (5, 400, 3)
    assert 0.3 <= nearest[0] < 0.36  # 400 points: the rim is seen
    radius = 0.3 * GROWTH ** np.arange(5) if corresponding else 0.3 - LAG
    np.testing.assert_array_less(radius - FLOAT16_STEP, nearest)
    whole = observe(ball_root, **changes).inputs
    assert np.linalg.norm(whole - center, axis=-1).min() < 0.1


def test_the_hole_stays_at_a_part_of_resampled_scans(copied_root, ball_root):
    """The rows of every frame are shuffled: only positions tell where the part has gone."""
    for k, file in enumerate(clip_files(str(copied_root), CATEGORY, "ball_b", "pcl_seq")):
        arrays = dict(np.load(file))
        order = np.random.default_rng(k).permutation(len(arrays["points"]))
        shuffled = {name: arrays[name][order] for name in ("points", "normals")}
        np.savez(file, **{**arrays, **shuffled})
    seen = observe(
        copied_root,
        input_pointcloud_corresponding=False,
        input_noise=0.0,
        num_input_points=400,
        input_hole=0.3,
    ).inputs
    start = StoredWindow(copied_root, WINDOW).surface_points(0).points
    start = start[int(np.random.default_rng(1).integers(len(start)))]  # the first draw
    particles = StoredWindow(ball_root, WINDOW).trajectories(np.arange(600))
    row = np.linalg.norm(particles[0] - start, axis=1).argmin()
    nearest = np.linalg.norm(seen - particles[:, row : row + 1], axis=-1).min(1)
    assert (nearest > 0.3 - LAG).all()


def test_a_hole_in_clouds_of_different_sizes(copied_root):
    path = Path(clip_files(str(copied_root), CATEGORY, "ball_b", "pcl_seq")[5])
    arrays = dict(np.load(path))
    twice = {name: np.concatenate([arrays[name]] * 2) for name in ("points", "normals")}
    np.savez(path, **{**arrays, **twice})
    seen = observe(copied_root, input_pointcloud_corresponding=False, input_hole=0.3)
    assert seen.inputs.shape == (5, 20, 3)


@pytest.mark.parametrize("corresponding", [True, False])
def test_a_hole_that_leaves_too_little_is_an_error(ball_root, corresponding):
    message = r"clip ball_b: what is seen .* has \d+ rows, 590 were asked .* or data\.input_hole"
    changes = {"num_input_points": 590, "input_pointcloud_corresponding": corresponding}
    with pytest.raises(DataError, match=message):
        observe(ball_root, input_hole=0.9, **changes)


def test_a_camera_sees_the_side_that_looks_at_it(rng):
    points, camera = sphere(20_000, rng), np.array([0.0, 0.6, 0.8])
    seen, height = sees_from(camera, points), points @ camera
    assert seen[height > 0.2].mean() > 0.97
    assert seen[height < -0.15].mean() < 0.03


def test_a_body_hides_what_is_behind_it(rng):
    near = rng.uniform(-0.2, 0.2, (4000, 3)) * [1, 1, 0] + [0, 0, 0.3]
    behind = rng.uniform(-0.2, 0.2, (500, 3)) * [0.8, 0.8, 0] - [0, 0, 0.1]
    beside = behind + np.array([0.6, 0, 0])
    seen = sees_from(np.array([0.0, 0.0, 1.0]), np.concatenate([near, behind, beside]))
    assert seen[:4000].all() and seen[4500:].all()
    assert not seen[4000:4500].any()


@pytest.mark.parametrize("corresponding", [True, False])
def test_one_camera_observes_half_of_the_ball(ball_root, corresponding):
    changes = {"input_noise": 0.0, "input_pointcloud_corresponding": corresponding}
    seen = observe(ball_root, **changes, num_input_points=200, input_cameras=1).inputs
    whole = StoredWindow(ball_root, WINDOW).surface_points(0).points
    sight = draw_sight(config(ball_root, input_cameras=1), len(whole), np.random.default_rng(1))
    (camera,) = sight.cameras
    center = whole.mean(0)
    height = (seen[0] - center) @ camera  # 600 stored points make coarse pixels
    assert (height < -0.2).mean() < 0.05
    assert (((whole - center) @ camera) < -0.2).mean() > 0.25


def test_uneven_clouds_are_dense_at_one_end(rng):
    points = sphere(50_000, rng)
    sight = draw_sight(config("nowhere", input_uneven=20.0), len(points), rng)
    (rows,) = sight.choose([points], 5000, rng)
    assert len(np.unique(rows)) == 5000
    height = points[rows] @ sight.near_end
    near, far = (height > 0.4).sum(), (height < -0.4).sum()  # caps of equal size on a sphere
    assert 10 < near / far < 20  # 20 ** (0.9 of the way, in the mean) = 15


def test_more_uneven_points_than_there_are_is_an_error(ball_root):
    with pytest.raises(DataError, match="what is seen of the cloud has 600 rows, 700 were asked"):
        observe(ball_root, num_input_points=700, input_uneven=2.0)


def test_variety_is_the_same_for_a_batch_and_differs_within(rng):
    settings = config("nowhere", input_variety=1.0)
    varied = [vary(settings, 0, 7, lambda: 100_000, rng) for _ in range(200)]
    assert len({v.num_input_points for v in varied}) == 1
    assert 0.3 < np.mean([v.input_noise != settings.input_noise for v in varied]) < 0.5
    assert 0.3 < np.mean([v.input_cameras == 1 for v in varied]) < 0.5
    assert not any(v.input_cameras and v.input_hole for v in varied)
    counts = [
        vary(settings, 0, batch, lambda: 100_000, rng).num_input_points for batch in range(500)
    ]
    assert 100 <= min(counts) < 110 and 2700 < max(counts) <= 3000
    assert 500 < np.median(counts) < 600  # the root of 100 * 3000 is 548


def test_a_share_of_the_batches_stays_as_configured(rng):
    settings = config("nowhere", input_variety=0.25)
    kept = [vary(settings, 3, batch, lambda: 100_000, rng) is settings for batch in range(1000)]
    assert 0.7 < np.mean(kept) < 0.8


def test_nothing_is_hidden_where_few_points_are_stored(rng):
    settings = config("nowhere", input_variety=1.0)
    for batch in range(50):
        seen = vary(settings, 0, batch, lambda: 600, rng)
        assert seen.num_input_points <= 600
        if seen.num_input_points > 75:
            assert (seen.input_hole, seen.input_cameras, seen.input_uneven) == (0, 0, 1)


def test_training_draws_batches_of_every_kind(ball_root):
    """Clouds of a batch have one size; samples do not depend on what was drawn before."""
    data = dataset(ball_root, input_variety=1.0, batch_size=3)
    batches = [collate([data[3 * k + i] for i in range(3)]) for k in range(4)]
    sizes = [batch.inputs.shape for batch in batches]
    assert all(size[:2] == (3, 5) for size in sizes) and len({size[2] for size in sizes}) > 1
    again = dataset(ball_root, input_variety=1.0, batch_size=3)[4]
    np.testing.assert_array_equal(again.inputs, batches[1].inputs[1].numpy())


def test_validation_does_not_vary(ball_root):
    data = dataset(ball_root, input_variety=1.0, shuffle=False)
    assert {data[k].inputs.shape for k in range(5)} == {(5, 20, 3)}
