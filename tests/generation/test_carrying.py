"""Few vertices carried, the others interpolated: how exact, how few, and where it refines."""

import numpy as np
import pytest

import generate
import train
from im2mesh.build import build_config, build_model
from im2mesh.errors import ConfigError
from im2mesh.generation.carrying import carry_by_interpolation, spline_weights
from im2mesh.meshing.frame_meshes import load_reconstruction
from im2mesh.runs.folder import RunFolder
from tests.ball import unit_vectors

TIMES = np.linspace(0, 1, 5)


@pytest.fixture
def sphere(rng):
    """20,000 points; their mean spacing is 0.007."""
    return 0.45 * unit_vectors(20_000, rng)


class Counted:
    """A motion, and the number of vertices that it was asked for."""

    def __init__(self, motion):
        self.motion, self.count = motion, 0

    def __call__(self, points):
        self.count += len(points)
        return np.stack([points + t * self.motion(points) for t in TIMES])


def swirl(points):
    x, y, z = points.T
    return 0.2 * np.stack([np.sin(4 * y), np.cos(3 * z), np.sin(5 * x)], 1).astype(points.dtype)


def wild_at_the_top(points):
    """As smooth as `swirl`, but for a region where it changes within a few hundredths."""
    return swirl(points) + 0.05 * np.sin(120 * points) * (points[:, 2:] > 0.3)


def errors(vertices, motion, tolerance):
    """Largest error of each vertex over time, and the share of vertices that was carried."""
    carry = Counted(motion)
    paths = carry_by_interpolation(vertices, carry, tolerance)
    share = carry.count / len(vertices)
    return np.linalg.norm(paths - carry(vertices), axis=-1).max(0), share


def test_a_smooth_motion_is_interpolated_from_few_vertices(sphere):
    wrong, share = errors(sphere, swirl, 3e-4)
    assert np.quantile(wrong, 0.998) < 3e-4 and share < 0.25
    assert 0 < wrong.max() < 2e-3


def test_a_smaller_tolerance_carries_more_and_is_more_exact(sphere):
    (coarse, few), (fine, many) = (errors(sphere, swirl, x) for x in (1e-3, 1e-5))
    assert few < many and np.quantile(fine, 0.998) < 1e-5 < coarse.max()


def test_only_where_it_must_it_refines(sphere):
    wrong, share = errors(sphere, wild_at_the_top, 3e-4)
    top = sphere[:, 2] > 0.3
    assert np.quantile(wrong, 0.995) < 3e-4
    assert (wrong[top] == 0).mean() > 0.9  # carried, all of them
    assert top.mean() < share < top.mean() + 0.25


def test_what_was_carried_is_exact_and_nothing_moves_at_first(sphere):
    carry = Counted(swirl)
    paths = carry_by_interpolation(sphere, carry, 1e-3)
    np.testing.assert_array_equal(paths[0], sphere)


@pytest.mark.parametrize("count", [0, 1, 3, 30])
def test_few_vertices_are_all_carried_or_nearly(rng, count):
    vertices = 0.45 * unit_vectors(count, rng) if count else np.zeros((0, 3))
    wrong, _ = errors(vertices, swirl, 1e-4) if count else (np.zeros(0), 0)
    assert carry_by_interpolation(vertices, Counted(swirl), 1e-4).shape == (5, count, 3)
    assert (wrong < 1e-4).all()


def test_weights_reproduce_affine_functions(rng):
    queries = rng.normal(size=(7, 3))
    neighbours = queries[:, None] + rng.normal(size=(7, 12, 3))
    weights = spline_weights(queries, neighbours)
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-9)
    found = np.einsum("nk,nkd->nd", weights, neighbours)
    np.testing.assert_allclose(found, queries, atol=5e-3)  # not exact: see STIFFNESS


def test_in_a_plane_the_weights_stay_finite(rng):
    neighbours = rng.normal(size=(5, 12, 3)) * [1, 1, 0]
    weights = spline_weights(np.zeros((5, 3)), neighbours)
    assert np.abs(weights).max() < 10


def test_generation_uses_the_tolerance(config_path):
    train.main([str(config_path), "--device", "cpu"])
    meshes = {}
    for tolerance in ("null", "1e-9", "1.0"):
        override = f"generation.carry_tolerance={tolerance}"
        config = build_config(config_path, [override])
        generate.main([str(config_path), override, "--device", "cpu"])
        (path, *_) = sorted(RunFolder.of(config).path.rglob("sequence.npz"))
        meshes[tolerance] = load_reconstruction(path).vertices
    np.testing.assert_allclose(meshes["1e-9"], meshes["null"], atol=1e-6)
    assert not np.array_equal(meshes["1.0"], meshes["null"])
    np.testing.assert_allclose(meshes["1.0"], meshes["null"], atol=0.05)


def test_a_model_that_carries_nothing_refuses_it():
    path = "configs/pointcloud/onet4d-small.yaml"
    with pytest.raises(ConfigError, match=r"carry_tolerance is for surfaces that are carried, and"):
        build_model(build_config(path, ["generation.carry_tolerance=0.1"]))


def test_vertices_at_one_place_do_no_harm(sphere):
    twice = np.concatenate([sphere, sphere])
    wrong, _ = errors(twice, swirl, 3e-4)
    assert np.quantile(wrong, 0.995) < 3e-4


def test_only_the_fast_configs_use_it():
    paper, fast = (build_config(f"configs/{name}/oflow.yaml") for name in ("pointcloud", "fast"))
    assert paper.generation.carry_tolerance is None and fast.generation.carry_tolerance == 3e-4
