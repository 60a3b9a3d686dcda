"""Points observed over time -> smooth paths, all of which follow a particle."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from im2mesh.models.local.common_motion import average_neighbours
from im2mesh.models.local.paths import fit_paths, path_misfit

MISFIT_FACTOR = 5.0
"""Misfit, in medians of its sequence, at which a trajectory loses half of its trust."""
LEAST_MISFIT = 0.03
"""Lower bound of that misfit, in units of the first frame. In windows of a quarter of a second
the fastest points of the synthetic bodies are 0.002 from their paths."""


@dataclass(frozen=True)
class Trajectories:
    """Smooth paths of observed points.

    Attributes:
        paths: Coefficients of the paths; see `paths.py`.
        misfit: Root mean square distance between the observed positions and the path that fits
            them alone, without neighbours.
        trust: Near 1 for trajectories as smooth as most in their sequence, 0.5 at least.
    """

    paths: Float[Tensor, "B K N 3"]
    misfit: Float[Tensor, "B N"]
    trust: Float[Tensor, "B N"]


def follow_points(
    clouds: Float[Tensor, "B T N 3"],
    times: Float[Tensor, "B T"],
    degree: int,
    *,
    with_neighbours: bool,
) -> Trajectories:
    """Fit a path to every point.

    A row that jumps follows no particle (an outlier, a wrong match): it becomes a copy of another
    row, so that it neither counts nor stands in the way of others. Up to half of the rows may be
    no trajectories at all.

    Args:
        clouds: Positions; row n is the same particle in all frames.
        times: Times of the frames within [0, 1].
        degree: Degree of the polynomial paths.
        with_neighbours: Whether paths are fitted again, to positions whose noise is averaged over
            neighbours (`average_neighbours`).
    """
    alone = fit_paths(clouds, times, degree)
    misfit = path_misfit(alone, clouds, times)
    trust = _trust(misfit)
    rows = _replacements(trust >= 0.5)
    followed, alone = _take(clouds, rows), _take(alone, rows)
    misfit, trust = misfit.gather(1, rows), trust.gather(1, rows)
    if not with_neighbours or clouds.shape[1] == 1:
        return Trajectories(alone, misfit, trust)
    averaged = average_neighbours(followed, alone, misfit, times)
    paths = fit_paths(averaged, times, degree)
    # a copy is an average of other neighbours than its source, and must not differ from it
    return Trajectories(_take(paths, rows), misfit, trust)


def _take(values: Float[Tensor, "B F N 3"], rows: Int[Tensor, "B N"]) -> Float[Tensor, "B F N 3"]:
    return values.gather(2, rows[:, None, :, None].expand(-1, values.shape[1], -1, 3))


def spread_rows(clouds: Float[Tensor, "B T N 3"], most: int) -> Float[Tensor, "B T M 3"]:
    """The clouds, or of larger ones `most` rows, evenly spread over their order."""
    count = clouds.shape[2]
    if count <= most:
        return clouds
    return clouds[:, :, torch.linspace(0, count - 1, most, device=clouds.device).long()]


@torch.no_grad()
def _trust(misfit: Float[Tensor, "B N"]) -> Float[Tensor, "B N"]:
    usual = (MISFIT_FACTOR * misfit.median(1, keepdim=True).values).clamp(min=LEAST_MISFIT)
    return 1 / (1 + (misfit / usual) ** 4)


def _replacements(is_kept: Bool[Tensor, "B N"]) -> Int[Tensor, "B N"]:
    """For every row itself, if it is kept; else a kept one, evenly spread over these."""
    rows = torch.arange(is_kept.shape[1], device=is_kept.device)
    kept_first = is_kept.int().argsort(dim=1, descending=True, stable=True)
    num_kept = is_kept.sum(1, keepdim=True)
    rank = (~is_kept).cumsum(1) - 1  # among those that are not kept
    spread = rank.clamp(min=0) * num_kept // (len(rows) - num_kept).clamp(min=1)
    return torch.where(is_kept, rows, kept_first.gather(1, spread))
