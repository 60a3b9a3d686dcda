"""A search that prefers smooth motions: when one node takes a step, its neighbours follow in part.

A search that moves every node by itself needs many steps until a whole limb has moved. Here it
changes variables, from which the motion follows by smoothing over the graph. What neighbours do
alike is as fast as before, and what they do differently is up to three times as slow. Every motion
can still be reached, and none costs more. After Nicolet et al., Large Steps in Inverse Rendering of
Geometry (SIGGRAPH Asia 2021), who smooth ten times as much, and scale all steps alike.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from im2mesh.generation.fitting.graph import NodeGraph

SMOOTHNESS = 1.0
"""Weight of a node's differences from all its neighbours together; 0 smooths nothing. With 3, true
surfaces of four clips were followed no better than with 1."""


@dataclass(frozen=True)
class Smoothing:
    """Values of nodes <-> the variables of a search, from which smoothing gives the values."""

    roughened: Float[Tensor, "K K"]
    smoothed: Float[Tensor, "K K"]

    @staticmethod
    def over(graph: NodeGraph) -> "Smoothing":
        """The smoothing over a graph; what all nodes have in common stays as it is."""
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
