"""What it costs that neighbouring nodes do not move rigidly together."""

from dataclasses import replace

import torch
from scipy.spatial.transform import Rotation

from im2mesh.generation.fitting.graph import NodeGraph, build_graph
from im2mesh.generation.fitting.node_motion import SLACK, Pose, stretch
from tests.limb import limb


def pose_of(graph: NodeGraph, places: torch.Tensor, turn: torch.Tensor | None = None) -> Pose:
    """One frame, in which nodes are at places, all turned alike."""
    turns = (torch.eye(3) if turn is None else turn).repeat(1, len(places), 1, 1)
    return Pose(turns, (places - graph.positions).unsqueeze(0))


def test_to_move_as_a_whole_costs_nothing():
    graph = build_graph(limb())
    turn = torch.from_numpy(Rotation.from_rotvec([0.3, -0.5, 0.2]).as_matrix()).float()
    rigid, turned = stretch(graph, pose_of(graph, graph.positions @ turn.T + 0.2, turn))
    assert rigid.abs() < 1e-6 and turned.abs() < 1e-6


def test_many_small_stretches_cost_about_as_much_as_a_large_one():
    """So a limb is not stretched as a whole, to let the surface slide a little everywhere."""
    graph = build_graph(limb())
    above = (graph.positions[:, 1:2] > 0).float()
    everywhere = graph.positions * torch.tensor([1.0, 1.05, 1.0])
    once = graph.positions + above * torch.tensor([0.0, 0.05, 0.0])
    spread, concentrated = (stretch(graph, pose_of(graph, p))[0].item() for p in (everywhere, once))
    assert concentrated < 2 * spread
    squares = [_squares(graph, pose_of(graph, places)) for places in (everywhere, once)]
    assert squares[1] > 5 * squares[0], "squares would rather stretch all of it"


def test_little_counts_by_its_square_and_much_by_its_size():
    """So the search finds no kink at rest, where it begins."""
    graph = build_graph(limb())
    pose = pose_of(graph, graph.positions)
    pairs = (graph.neighbours == 0).sum() + graph.neighbours.shape[1]  # in which node 0 takes part
    share = (pairs / graph.neighbours.numel()).item()
    for distance, expected in ((0.1 * SLACK, 0.005 * SLACK), (100 * SLACK, 99 * SLACK)):
        shifts = pose.shifts.clone()
        shifts[0, 0, 0] = distance
        found = stretch(graph, replace(pose, shifts=shifts))[0].item()
        assert abs(found - share * expected) < 0.02 * share * expected


def _squares(graph: NodeGraph, pose: Pose) -> float:
    at = graph.positions + pose.shifts[0]
    edges, moved = (p[graph.neighbours] - p.unsqueeze(1) for p in (graph.positions, at))
    return (moved - edges).square().sum(-1).mean().item()
