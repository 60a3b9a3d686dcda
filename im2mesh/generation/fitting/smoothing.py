"""A search among smooth motions: a step that one node takes, its neighbours take in part.

A search that moves every node by itself needs many steps until a whole limb has moved. Here it sees
variables from which the motion follows by smoothing over the graph, so one step moves a limb
(Nicolet et al., Large Steps in Inverse Rendering of Geometry, SIGGRAPH Asia 2021). Every motion can
still be reached, and none costs more than before.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from im2mesh.generation.fitting.graph import NodeGraph

SMOOTHNESS = 1.0
"""Weight of the differences between neighbours against the node itself; 0 smooths nothing."""


@dataclass(frozen=True)
class Smoothing:
    """Values of nodes <-> the variables of a search, from which smoothing gives the values."""

    roughened: Float[Tensor, "K K"]
    smoothed: Float[Tensor, "K K"]

    @staticmethod
    def over(graph: NodeGraph) -> "Smoothing":
        """Of a graph; values that all nodes have in common stay as they are."""
        near = graph.neighbours
        joined = torch.zeros(len(near), len(near)).scatter_(1, near, 1.0)
        joined = torch.maximum(joined, joined.T)
        differences = joined.sum(1).diag() - joined  # the Laplacian of the graph
        rough = torch.eye(len(near)) + SMOOTHNESS / near.shape[1] * differences
        return Smoothing(rough, torch.linalg.inv(rough))

    def variables(self, values: Float[Tensor, "K D C"]) -> Float[Tensor, "K D C"]:
        return torch.einsum("kj,jdc->kdc", self.roughened, values)

    def values(self, variables: Float[Tensor, "K D C"]) -> Float[Tensor, "K D C"]:
        return torch.einsum("kj,jdc->kdc", self.smoothed, variables)
