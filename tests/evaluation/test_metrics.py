"""Values worked by hand, values of the official evaluation, naive twins of fast routines."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from im2mesh.evaluation.metrics import (
    EMPTY_DISTANCE,
    correspondence_errors,
    correspondence_l2,
    iou,
    nearest_neighbours,
    sample_surface,
    surface_distances,
)
from im2mesh.meshing.containment import points_inside_mesh


@pytest.fixture(scope="module")
def official():
    """A wobbling ball and the numbers the official code computes for it."""
    with np.load(Path(__file__).parents[1] / "authors" / "eval.npz") as stored:
        return dict(stored)


def face_normals(vertices, faces):
    corners = vertices[faces].astype(np.float64)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return normals / np.linalg.norm(normals, axis=1, keepdims=True)


def clouds(seed=0, num=200, other=150):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(num, 3)), rng.normal(size=(other, 3))


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


@pytest.mark.parametrize("k", range(5))
def test_surface_distances_equal_the_official_ones(official, k):
    normals = face_normals(official["v_pred"][k], official["faces"])
    found = surface_distances(
        official["pred_samples"][k],
        official["pcl_tgt"][k],
        normals[official["pred_sample_faces"][k]],
        official["normals_tgt"][k],
    )
    for name, value in {
        "accuracy": found.accuracy,
        "completeness": found.completeness,
        "accuracy2": found.accuracy_squared,
        "completeness2": found.completeness_squared,
        "chamfer": found.chamfer_l2,
        "normals_accuracy": found.normal_accuracy,
        "normals_completeness": found.normal_completeness,
        "normals": found.normal_consistency,
    }.items():
        assert value == pytest.approx(official[f"det_{name}"][k], abs=1e-6), name


@pytest.mark.parametrize("k", range(5))
def test_containment_and_iou_equal_the_official_ones(official, k):
    inside = points_inside_mesh(
        official["points_iou"][k], official["v_pred"][k], official["faces"].astype(np.int32)
    )
    assert (inside != official["occ_pred"][k]).sum() <= 1  # a point on a face may go either way
    assert iou(inside, official["occ_tgt"][k]) == pytest.approx(official["e2e_iou"][k], abs=0.003)
    assert iou(official["occ_pred"][k], official["occ_tgt"][k]) == pytest.approx(
        official["e2e_iou"][k], abs=1e-6
    )


def test_correspondence_equals_the_official_one(official):
    predicted, target = official["v_pred"], official["pcl_tgt"]
    found = correspondence_l2(predicted, target)
    np.testing.assert_allclose(found, official["corr_l2"], atol=1e-6)
    np.testing.assert_allclose(found, official["corr_l2_pcl"], atol=1e-6)
    projected = correspondence_l2(predicted, target, project_to_final_mesh=True)
    np.testing.assert_allclose(projected, official["corr_l2_project_final"], atol=1e-6)


@pytest.mark.parametrize("k", range(5))
def test_fresh_samples_agree_with_the_official_ones_statistically(official, k):
    rng = np.random.default_rng(0)
    faces = official["faces"].astype(np.int32)
    samples, normals = sample_surface(official["v_pred"][k], faces, 2000, rng)
    found = surface_distances(samples, official["pcl_tgt"][k], normals, official["normals_tgt"][k])
    assert found.accuracy == pytest.approx(official["e2e_accuracy"][k], rel=0.05)
    assert found.completeness == pytest.approx(official["e2e_completeness"][k], rel=0.05)
    assert found.chamfer_l2 == pytest.approx(official["e2e_chamfer"][k], rel=0.1)
    assert found.normal_consistency == pytest.approx(official["e2e_normals"][k], abs=0.001)


def test_empty_prediction_counts_as_in_the_official_evaluation_but_for_normals(official):
    expected = dict(zip(official["empty_keys"], official["empty_values"], strict=True))
    target = official["pcl_tgt"][0]
    none = np.zeros((0, 3))
    found = surface_distances(none, target, none, official["normals_tgt"][0])
    assert found.accuracy == found.completeness == pytest.approx(expected["accuracy"])
    assert found.chamfer_l2 == pytest.approx(expected["chamfer"])
    assert found.normal_consistency == 0.0  # official: -1, which a mean of |cos| cannot be
    assert iou(np.zeros(4, bool), np.array([True, False, True, False])) == expected["iou"]


def test_iou_by_hand(without_shape_checks):
    a = np.array([True, True, False, False])
    assert iou(a, np.array([True, False, True, False])) == pytest.approx(1 / 3)
    assert iou(a, a) == 1.0
    assert iou(a, ~a) == 0.0
    assert iou(np.zeros(3, bool), np.zeros(3, bool)) == 1.0
    with pytest.raises(ValueError, match="predicted labels"):
        iou(a, a[:2])


def test_surface_distances_by_hand():
    found = surface_distances(np.array([[0.0, 0, 0], [0, 0, 3]]), np.array([[0.0, 0, 1]]))
    assert (found.accuracy, found.completeness) == (1.5, 1.0)
    assert (found.accuracy_squared, found.completeness_squared) == (2.5, 1.0)
    assert (found.chamfer_l1, found.chamfer_l2) == (1.25, 3.5)
    assert found.normal_consistency is None


def test_identical_surfaces_have_no_distance():
    a, _ = clouds()
    found = surface_distances(a, a, unit(a), -unit(a))
    assert found.chamfer_l1 == found.chamfer_l2 == 0.0
    assert found.normal_consistency == pytest.approx(1.0)  # the sign of a normal does not matter


def test_correspondence_by_hand():
    """One vertex follows its particle with a constant offset, the other stays behind."""
    target = np.array([[[0.0, 0, 0], [5, 0, 0]], [[1, 0, 0], [5, 2, 0]]])
    predicted = np.array([[[0.5, 0, 0], [5, 0, 0]], [[1.5, 0, 0], [5, 0, 0]]])
    np.testing.assert_allclose(correspondence_l2(predicted, target), [0.25, 1.25])
    # the last frame snaps to its nearest targets, both the right ones
    np.testing.assert_allclose(
        correspondence_l2(predicted, target, project_to_final_mesh=True), [0.25, 0.0]
    )


def test_correspondence_of_each_vertex_by_hand():
    """The same vertices one by one, and their mean is the metric."""
    target = np.array([[[0.0, 0, 0], [5, 0, 0]], [[1, 0, 0], [5, 2, 0]]])
    predicted = np.array([[[0.5, 0, 0], [5, 0, 0]], [[1.5, 0, 0], [5, 0, 0]]])
    errors = correspondence_errors(predicted, target)
    np.testing.assert_allclose(errors, [[0.5, 0.0], [0.5, 2.0]])
    np.testing.assert_array_equal(errors.mean(axis=1), correspondence_l2(predicted, target))
    projected = correspondence_errors(predicted, target, project_to_final_mesh=True)
    np.testing.assert_allclose(projected, [[0.5, 0.0], [0.0, 0.0]])
    assert correspondence_errors(np.zeros((2, 0, 3)), target).shape == (2, 0)


def test_correspondence_of_nothing_and_of_the_wrong_length(without_shape_checks):
    target = np.zeros((3, 5, 3))
    np.testing.assert_array_equal(correspondence_l2(np.zeros((3, 0, 3)), target), EMPTY_DISTANCE)
    with pytest.raises(ValueError, match="2 predicted frames, 3 true frames"):
        correspondence_l2(np.zeros((2, 4, 3)), target)
    with pytest.raises(ValueError, match="no points"):
        correspondence_l2(np.zeros((3, 4, 3)), np.zeros((3, 0, 3)))


def test_truth_must_have_points():
    with pytest.raises(ValueError, match="no points"):
        surface_distances(np.zeros((4, 3)), np.zeros((0, 3)))
    with pytest.raises(ValueError, match="at least one target point"):
        nearest_neighbours(np.zeros((4, 3)), np.zeros((0, 3)))


def test_nearest_neighbours_twin():
    a, b = clouds()
    distance, index = nearest_neighbours(a, b)
    np.testing.assert_array_equal(index, cdist(a, b).argmin(1))
    np.testing.assert_allclose(distance, cdist(a, b).min(1))


def test_surface_distances_twin():
    a, b = clouds()
    normals_a, normals_b = map(unit, clouds(1))
    found = surface_distances(a, b, normals_a, normals_b)
    table = cdist(a, b)
    assert found.accuracy == pytest.approx(table.min(1).mean())
    assert found.completeness_squared == pytest.approx((table.min(0) ** 2).mean())
    forth = np.abs((normals_a * normals_b[table.argmin(1)]).sum(1)).mean()
    back = np.abs((normals_b * normals_a[table.argmin(0)]).sum(1)).mean()
    assert found.normal_accuracy == pytest.approx(forth)
    assert found.normal_completeness == pytest.approx(back)
    assert found.normal_consistency == pytest.approx((forth + back) / 2)


def test_correspondence_twin():
    rng = np.random.default_rng(0)
    predicted, target = rng.normal(size=(3, 40, 3)), rng.normal(size=(3, 60, 3))
    match = [int(np.argmin([np.linalg.norm(p - q) for q in target[0]])) for p in predicted[0]]
    twin = [
        np.mean([np.linalg.norm(predicted[t, i] - target[t, j]) for i, j in enumerate(match)])
        for t in range(3)
    ]
    np.testing.assert_allclose(correspondence_l2(predicted, target), twin)


def two_triangles():
    """A large one with z = 0 facing up and one of a ninth of its area with z = 1 facing down."""
    vertices = np.float32([[0, 0, 0], [3, 0, 0], [0, 3, 0], [0, 0, 1], [1, 0, 1], [0, 1, 1]])
    return vertices, np.int32([[0, 1, 2], [3, 5, 4]])


def test_samples_are_uniform_by_area_with_the_normals_of_their_faces():
    points, normals = sample_surface(*two_triangles(), 20_000, np.random.default_rng(0))
    on_small = points[:, 2] == 1
    assert on_small.mean() == pytest.approx(0.1, abs=0.01)
    np.testing.assert_array_equal(normals[on_small], [[0, 0, -1]] * on_small.sum())
    np.testing.assert_array_equal(normals[~on_small], [[0, 0, 1]] * (~on_small).sum())
    large = points[~on_small]
    assert (large[:, :2] >= 0).all() and (large[:, :2].sum(1) <= 3 + 1e-6).all()
    np.testing.assert_allclose(large.mean(0), [1, 1, 0], atol=0.03)  # the centroid


def test_samples_follow_the_seed():
    one, two, other = (
        sample_surface(*two_triangles(), 50, np.random.default_rng(seed))[0] for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, other)


def test_samples_of_degenerate_meshes():
    rng = np.random.default_rng(0)
    vertices, faces = two_triangles()
    assert sample_surface(vertices, faces[:0], 10, rng)[0].shape == (0, 3)
    flat, _ = sample_surface(0 * vertices, faces, 10, rng)
    np.testing.assert_array_equal(flat, np.zeros((10, 3)))
    vertices[0] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        sample_surface(vertices, faces, 10, rng)


def test_several_threads_measure_the_same():
    points, others = clouds(num=3000, other=2000)
    one = surface_distances(points, others, unit(points), unit(others))
    torch.set_num_threads(2)
    assert surface_distances(points, others, unit(points), unit(others)) == one
