"""Points move onto the planes of their neighbours: noise goes, the shape stays."""

import numpy as np
import pytest

from im2mesh.generation.fitting.planes import local_planes, nearest, onto_planes

RADIUS = 0.08  # of an arm


@pytest.fixture
def tube(rng) -> np.ndarray:
    """1500 points of a tube about y."""
    angle, y = rng.uniform(0, 2 * np.pi, 1500), rng.uniform(0, 1, 1500)
    return np.stack([RADIUS * np.cos(angle), y, RADIUS * np.sin(angle)], 1)


def radii(points: np.ndarray) -> np.ndarray:
    return np.hypot(points[:, 0], points[:, 2])


def test_noise_is_averaged(tube, rng):
    noisy = tube + 0.005 * rng.standard_normal(tube.shape)
    moved = onto_planes(noisy, 8, reach=0.1)
    assert radii(moved).std() < 0.7 * radii(noisy).std()


def test_a_limb_does_not_become_thin(tube):
    shrunk = RADIUS - radii(onto_planes(tube, 8, reach=0.1)).mean()
    near = nearest(tube, 8)
    centres, normals = local_planes(tube, near)
    heights = ((centres - tube) * normals).sum(1, keepdims=True)
    plain = RADIUS - radii(tube + heights * normals).mean()
    assert plain > 0.0005  # what moving onto the planes alone would do
    assert shrunk < 0.2 * plain


def test_points_whose_neighbours_are_far_stay(tube, rng):
    noisy = tube + 0.005 * rng.standard_normal(tube.shape)
    np.testing.assert_array_equal(onto_planes(noisy, 8, reach=1e-3), noisy)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_fewer_points_than_neighbours(tube, count):
    assert np.isfinite(onto_planes(tube[:count], 8, reach=9.0)).all()
