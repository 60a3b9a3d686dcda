"""The search for neighbours against the slow way, and what it refuses."""

import math

import pytest
import torch

from im2mesh.models.layers import neighbours
from im2mesh.models.layers.neighbours import gather_rows, nearest_rows
from im2mesh.models.local.neighbourhood import find_neighbourhood


def slow_rows(queries: torch.Tensor, anchors: torch.Tensor, count: int) -> torch.Tensor:
    distances = (queries.unsqueeze(2) - anchors.unsqueeze(1)).norm(dim=-1)
    return distances.argsort(-1)[..., :count]


@pytest.mark.parametrize("num_anchors", [9, 300])
@pytest.mark.parametrize("count", [1, 8])
def test_rows_equal_sorting_all_distances(num_anchors, count):
    queries, anchors = torch.rand(2, 50, 3), torch.rand(2, num_anchors, 3)
    expected = slow_rows(queries, anchors, count)
    assert torch.equal(nearest_rows(queries, anchors, count), expected)
    assert torch.equal(neighbours._rows_from_table(queries, anchors, count), expected)


def test_slices_change_nothing(monkeypatch):
    queries, anchors = torch.rand(2, 50, 3), torch.rand(2, 20, 3)
    whole = neighbours._rows_from_table(queries, anchors, 3)
    monkeypatch.setattr(neighbours, "TABLE_ENTRIES", 300)
    assert torch.equal(neighbours._rows_from_table(queries, anchors, 3), whole)


def test_several_threads_change_nothing(monkeypatch):
    queries, anchors = torch.rand(2, 50, 3), torch.rand(2, 20, 3)
    whole = nearest_rows(queries, anchors, 3)
    monkeypatch.setattr(neighbours, "SHARED_FROM", 1)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    assert torch.equal(nearest_rows(queries, anchors, 3), whole)


def test_bf16_does_not_round_the_search():
    queries, anchors = torch.rand(1, 200, 3), torch.rand(1, 100, 3)
    exact = slow_rows(queries, anchors, 4)
    with torch.autocast("cpu", torch.bfloat16):
        for search in (nearest_rows, neighbours._rows_from_table):
            assert torch.equal(search(queries, anchors, 4), exact)


def test_what_is_not_finite_stays_so_in_the_offsets():
    """The search goes on, for it is the trainer that tells of a loss which is not finite."""
    queries, anchors = torch.rand(1, 5, 3), torch.rand(1, 20, 3)
    queries[0, 2, 1], anchors[0, 7] = math.nan, math.inf
    near = find_neighbourhood(queries, anchors, 19)
    assert near.offsets[0, 2].isnan().any()
    assert near.radius[0, :2].isinf().all()  # the farthest of all 20


def test_gathered_rows_are_those_of_the_same_cloud():
    values, rows = torch.rand(2, 5, 3), torch.tensor([[[0, 4]], [[3, 3]]])
    taken = gather_rows(values, rows)
    assert taken.shape == (2, 1, 2, 3)
    torch.testing.assert_close(taken[1, 0, 0], values[1, 3])
    torch.testing.assert_close(taken[0, 0, 1], values[0, 4])


def test_fewer_points_than_neighbours_are_an_error():
    with pytest.raises(
        ValueError, match="8 neighbours are looked for, but there are 5 points; give"
    ):
        nearest_rows(torch.rand(1, 2, 3), torch.rand(1, 5, 3), 8)
