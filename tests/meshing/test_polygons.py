"""Polygons cut into triangles: they cover the polygon, nothing else, and nothing twice."""

import time

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from im2mesh.meshing.formats.ear_clipping import MOST_CORNERS
from im2mesh.meshing.formats.polygons import triangulate


def cut(places):
    """Triangles of one polygon, as a table of its corners."""
    places = np.asarray(places, np.float64)
    if places.shape[1] == 2:
        places = np.column_stack([places, np.zeros(len(places))])
    return triangulate(np.arange(len(places)), np.array([len(places)]), places)


def areas(places, triangles):
    a, b, c = (places[triangles[:, k]] for k in range(3))
    (ux, uy), (vx, vy) = (b - a).T, (c - a).T
    return (ux * vy - uy * vx) / 2


def outline_area(places):
    x, y = np.asarray(places, np.float64).T
    return (x * np.roll(y, -1) - y * np.roll(x, -1)).sum() / 2


def is_inside(point, places):
    """By the winding of the outline around the point: a naive second way."""
    rays = places - point
    angles = np.arctan2(rays[:, 1], rays[:, 0])
    turns = (np.roll(angles, -1) - angles + np.pi) % (2 * np.pi) - np.pi
    return round(turns.sum() / (2 * np.pi)) == 1


def check(places, triangles):
    places = np.asarray(places, np.float64)
    assert triangles.shape == (len(places) - 2, 3)
    sizes = areas(places, triangles)
    assert sizes.min() >= -1e-9 * outline_area(places)
    assert sizes.sum() == pytest.approx(outline_area(places), rel=1e-9)
    for centre in places[triangles[sizes > 1e-9]].mean(1):
        assert is_inside(centre, places)


def star(rng, count):
    """A polygon that does not cross itself: corners at rising angles and any distance."""
    angles = np.sort(rng.uniform(0, 2 * np.pi, count)) + np.linspace(0, 1e-3, count)
    return rng.uniform(0.1, 1, count)[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)


@pytest.mark.parametrize("seed", range(100))
def test_stars_are_covered(seed):
    rng = np.random.default_rng(seed)
    places = star(rng, rng.integers(8, 60))
    check(places, cut(places))


SPIRAL = np.array([(r * np.cos(a), r * np.sin(a)) for a in np.linspace(0, 12, 100)
                   for r in [1 + a]])  # fmt: skip
SHAPES = {
    "arrow": [(0, 0), (2, 1), (0, 2), (1, 1)],
    "arrow, turned once": [(2, 1), (0, 2), (1, 1), (0, 0)],
    "arrow, turned twice": [(0, 2), (1, 1), (0, 0), (2, 1)],
    "arrow, turned thrice": [(1, 1), (0, 0), (2, 1), (0, 2)],
    "L with corners on its edges": [(0, 0), (1, 0), (2, 0), (2, 1), (1, 1), (1, 2), (0, 2), (0, 1)],
    "comb": [(0, 0), (5, 0), (5, 3), (4, 1), (3, 3), (2, 1), (1, 3), (0, 1)],
    "spiral": np.concatenate([SPIRAL, 0.9 * SPIRAL[::-1]]),
    "a ring, with a bridge": [(0, 0), (3, 0), (3, 3), (0, 3), (0, 0), (1, 1), (1, 2), (2, 2),
                              (2, 1), (1, 1)],
    "plus": [(1, 0), (2, 0), (2, 1), (3, 1), (3, 2), (2, 2), (2, 3), (1, 3), (1, 2), (0, 2),
             (0, 1), (1, 1)],
}  # fmt: skip


@pytest.mark.parametrize("places", SHAPES.values(), ids=SHAPES)
def test_shapes_are_covered(places):
    places = np.asarray(places, np.float64)
    for shift in range(0, len(places), 1 + len(places) // 20):
        turned = np.roll(places, shift, axis=0)
        check(turned, cut(turned))


@pytest.mark.parametrize("shape", ["comb", "plus", "arrow"])
def test_planes_and_places_do_not_matter(shape):
    """In UTM coordinates, of a size of millimetres, and seen from behind."""
    flat = np.column_stack([SHAPES[shape], np.zeros(len(SHAPES[shape]))])
    expected = outline_area(SHAPES[shape])
    for seed in range(20):
        turned = 1e-3 * Rotation.random(rng=seed).apply(flat) + [5e5, 5e6, 300]
        a, b, c = (turned[cut(turned)[:, k]] for k in range(3))
        size = np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2
        assert size == pytest.approx(1e-6 * expected, rel=1e-4)


def test_fans_where_they_stay_inside():
    hexagon = [(np.cos(a), np.sin(a)) for a in np.arange(6) * np.pi / 3]
    np.testing.assert_array_equal(cut(hexagon), [[0, 1, 2], [0, 2, 3], [0, 3, 4], [0, 4, 5]])


def test_faces_keep_their_order():
    corners = np.array([0, 1, 2, 0, 1, 2, 3, 2, 1, 0, 0, 1, 4, 2, 3, 3, 2, 1, 0])
    lengths = np.array([3, 4, 3, 5, 4])
    places = np.array([(0, 0, 0), (2, 1, 0), (0, 2, 0), (1, 1, 0), (1.9, 1.1, 0)])
    faces = triangulate(corners, lengths, places)
    assert len(faces) == 9
    np.testing.assert_array_equal(faces[[0, 3]], [[0, 1, 2], [2, 1, 0]])
    np.testing.assert_array_equal(faces[1:3], [[1, 2, 3], [1, 3, 0]])
    order = np.array([0, 1, 4, 2, 3])
    check(places[order, :2], np.argsort(order)[faces[4:7]])


@pytest.mark.parametrize(
    "places",
    [[(0, 0)] * 5, [(0, 0), (1, 1), (2, 2), (3, 3)], [(0, 0), (1, 0), (1, 0), (0, 1)],
     [(0, 0), (2, 0), (1, 0), (1, 1)]],
)  # fmt: skip
def test_faces_without_an_inside_are_kept(places):
    assert cut(places).shape == (len(places) - 2, 3)


@pytest.mark.parametrize(
    "places",
    [[(0, 0), (2, 2), (2, 0), (0, 2)], [(0, 0), (2, 2), (2, 0), (0, 1)],
     [(0, 0), (4, 0), (4, 1), (1, 1), (1, -1), (2, -1), (2, 3), (0, 3)]],
)  # fmt: skip
def test_outlines_that_cross_themselves_are_refused(places):
    with pytest.raises(ValueError, match="crosses itself"):
        cut(places)


def test_indices_beyond_the_vertices_are_named():
    with pytest.raises(ValueError, match="faces name vertices 0 to 4, there are 4"):
        triangulate(np.array([0, 1, 2, 4]), np.array([4]), np.zeros((4, 3)))


def test_time_of_many_corners():
    places = star(np.random.default_rng(0), 2000)
    start = time.process_time()
    triangles = cut(places)
    assert time.process_time() - start < 5
    sizes = areas(places, triangles)
    assert sizes.min() >= 0 and sizes.sum() == pytest.approx(outline_area(places))
    scribble = np.random.default_rng(0).uniform(size=(2000, 2))
    with pytest.raises(ValueError, match="crosses itself"):
        cut(scribble)
    assert time.process_time() - start < 10
    many = star(np.random.default_rng(0), MOST_CORNERS + 1)
    with pytest.raises(ValueError, match=f"{MOST_CORNERS + 1} corners that is not convex"):
        cut(many)
