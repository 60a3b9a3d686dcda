"""A search that sees smooth motions gets farther in the same number of steps."""

import numpy as np
import torch

from im2mesh.generation.fitting import smoothing
from im2mesh.generation.fitting.clip import ObservedClip
from im2mesh.generation.fitting.clip_fit import fit_clip
from im2mesh.generation.fitting.graph import build_graph
from im2mesh.generation.fitting.smoothing import Smoothing
from tests.limb import TIMES, errors, limb, observe


def test_variables_and_values_belong_to_each_other():
    graph = build_graph(limb())
    values = torch.randn(len(graph.positions), 6, 6, generator=torch.Generator().manual_seed(0))
    both = Smoothing.over(graph)
    torch.testing.assert_close(both.roughened, both.roughened.T, atol=0, rtol=0)
    assert torch.linalg.eigvalsh(both.roughened).min() > 0.99
    torch.testing.assert_close(both.values(both.variables(values)), values, atol=1e-5, rtol=1e-5)
    alike = values[:1].expand_as(values)
    torch.testing.assert_close(both.values(alike), alike, atol=1e-5, rtol=1e-5)


def test_what_one_node_does_its_neighbours_do_in_part():
    graph = build_graph(limb())
    variables = torch.zeros(len(graph.positions), 1, 1)
    variables[0] = 1.0
    values = Smoothing.over(graph).values(variables).flatten()
    near = values[graph.neighbours[0]]
    far = values[(graph.positions - graph.positions[0]).norm(dim=1) > 0.5]
    assert values.argmax() == 0 and (values >= 0).all()
    assert near.min() > 10 * far.max() > 0


def test_a_limb_is_followed_in_fewer_steps(monkeypatch):
    body = limb()
    clips = [ObservedClip(observe(body, TIMES, seed), TIMES) for seed in range(3)]

    def mean_error() -> float:
        fitted = [fit_clip(body, clip, iterations=30).vertices(TIMES) for clip in clips]
        return float(np.mean([errors(vertices, body, TIMES) for vertices in fitted]))

    smooth = mean_error()
    monkeypatch.setattr(smoothing, "SMOOTHNESS", 0.0)
    alone = mean_error()
    assert smooth < 0.97 * alone, (smooth, alone)
