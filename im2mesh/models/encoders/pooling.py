"""From the coarsest map of an image to one vector."""

import torch
from jaxtyping import Float
from torch import Tensor

GRID = 4
"""Cells in each direction: as many as the coarsest map of an image of 64 pixels has."""
CELLS = GRID**2


def means_of_cells(maps: Float[Tensor, "M D H W"]) -> Float[Tensor, "M E"]:
    """Means over the cells of a grid; a pixel that lies in several cells counts in parts.

    A code of the whole body is made of them, so they must say where in the image its parts are.
    (`F.adaptive_avg_pool2d` has no deterministic gradient on a GPU.)
    """
    down, right = (_parts_of_cells(size, maps) for size in maps.shape[2:])
    return (down @ maps @ right.T).flatten(1)


def _parts_of_cells(size: int, like: Tensor) -> Float[Tensor, "G size"]:
    """How much each of `size` pixels in a row counts for each cell."""
    cell = torch.arange(GRID, device=like.device)[:, None] * size / GRID
    pixel = torch.arange(size, device=like.device)[None]
    shared = torch.minimum(cell + size / GRID, pixel + 1) - torch.maximum(cell, pixel)
    return (shared.clamp(min=0) * GRID / size).to(like.dtype)
