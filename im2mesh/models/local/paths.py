"""Smooth paths of observed points: for each a polynomial in time, fitted to all its positions.

An interpolated trajectory has a velocity that jumps at every frame and is dominated by noise. A
polynomial of low degree, fitted with a penalty on acceleration (a smoothing spline in a small
basis), is defined for any times and number of frames, and has all derivatives.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float
from numpy.polynomial import legendre
from torch import Tensor

DEGREE = 7
"""Enough for a stride or a punch in a window of a second; a quarter of a second needs 5."""
SMOOTHINGS = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7)
"""Candidate weights of the mean squared acceleration, against the squared error summed over frames.
Every path gets one of them: slow motion or much noise gets a large one."""
REST = 1e-9
"""Weight of the mean squared velocity, so that a path stands still where no frame tells more."""


def fit_paths(
    clouds: Float[Tensor, "B T N 3"],
    times: Float[Tensor, "B T"],
    degree: int = DEGREE,
    smoothings: Sequence[float] = SMOOTHINGS,
) -> Float[Tensor, "B K N 3"]:
    """Fit a path to every point: its coefficients in Legendre polynomials over [0, 1].

    Generalised cross-validation (Craven and Wahba, 1979) decides how smooth each path is: it picks
    the weight with which left-out frames would be predicted best. So a hand may be fast beside a
    chest that rests, and noise is removed as far as it can be told from motion.

    Args:
        clouds: Positions; row n is the same particle in all frames.
        times: Times of the frames, strictly increasing within [0, 1]; with one, paths stand still.
        degree: Degree K - 1 of the polynomials.
        smoothings: Weights of the mean squared acceleration to choose from.
    """
    basis, observed = legendre_basis(times.double(), degree), clouds.double()
    fits = torch.stack([_smooth_fit(basis, smoothing) for smoothing in smoothings], 1)
    best = _cross_validation(basis.unsqueeze(1) @ fits, observed).argmin(1)  # [B, N]
    paths = _apply(fits, observed)
    chosen = best[:, None, None, :, None].expand(-1, 1, *paths.shape[2:])
    return paths.gather(1, chosen).squeeze(1).to(clouds.dtype)


def _smooth_fit(basis: Float[Tensor, "B T K"], smoothing: float) -> Float[Tensor, "B K T"]:
    """The linear map from values at the frames to coefficients, in double precision."""
    penalty = _penalty(basis.shape[-1] - 1, smoothing, basis.device)
    normal = basis.transpose(1, 2) @ basis + penalty
    # never singular, so the host need not wait for a GPU to say so
    return torch.linalg.solve_ex(normal, basis.transpose(1, 2)).result


def _cross_validation(
    smoothers: Float[Tensor, "B S T T"], observed: Float[Tensor, "B T N 3"]
) -> Float[Tensor, "B S N"]:
    """Scores of every path: its squared error over the squared share of freedom left in the fit."""
    size, dtype, device = smoothers.shape[-1], smoothers.dtype, smoothers.device
    residuals = torch.eye(size, dtype=dtype, device=device) - smoothers
    error = _apply(residuals, observed).square_().sum(2).sum(-1) / observed.shape[1]
    freedom = residuals.diagonal(dim1=2, dim2=3).mean(2, keepdim=True)
    # a fit to few frames has no freedom left
    return error / freedom.clamp(min=1e-6) ** 2


def _apply(
    maps: Float[Tensor, "B S K T"], observed: Float[Tensor, "B T N 3"]
) -> Float[Tensor, "B S K N 3"]:
    """Every map over time, to every coordinate, by one matrix product per sequence."""
    mapped = maps.flatten(1, 2) @ observed.flatten(2)
    return mapped.unflatten(2, observed.shape[2:]).unflatten(1, maps.shape[1:3])


def path_misfit(
    paths: Float[Tensor, "B K N 3"], clouds: Float[Tensor, "B T N 3"], times: Float[Tensor, "B T"]
) -> Float[Tensor, "B N"]:
    """Root mean square distance between each trajectory and its path."""
    return (clouds - positions_at_frames(paths, times)).square().sum(-1).mean(1).sqrt()


def legendre_basis(
    t: Float[Tensor, "*shape"], degree: int, *, derivative: bool = False
) -> Float[Tensor, "*shape K"]:
    """Legendre polynomials of 2t - 1, or their derivatives with respect to t."""
    x = 2 * t - 1
    values, slopes = [torch.ones_like(x), x], [torch.zeros_like(x), torch.full_like(x, 2)]
    for n in range(1, degree):  # (n + 1) P_n+1 = (2n + 1) x P_n - n P_n-1 (Bonnet)
        values.append(((2 * n + 1) * x * values[n] - n * values[n - 1]) / (n + 1))
        slopes.append(slopes[n - 1] + 2 * (2 * n + 1) * values[n])
    return torch.stack((slopes if derivative else values)[: degree + 1], -1)


def positions_at(paths: Float[Tensor, "B K N C"], t: Float[Tensor, "B"]) -> Float[Tensor, "B N C"]:
    """Values of polynomials (for paths: positions) at one time per sequence."""
    return _combine(legendre_basis(t, paths.shape[1] - 1), paths)


def positions_at_frames(
    paths: Float[Tensor, "B K N C"], times: Float[Tensor, "B T"]
) -> Float[Tensor, "B T N C"]:
    """Values of polynomials at all frames; in double precision, which no autocast rounds."""
    basis = legendre_basis(times.double(), paths.shape[1] - 1)
    return torch.einsum("btk,bknc->btnc", basis, paths.double()).to(paths.dtype)


def velocities_at(paths: Float[Tensor, "B K N 3"], t: Float[Tensor, "B"]) -> Float[Tensor, "B N 3"]:
    """Velocities on paths at one time per sequence, in first-frame units per window length."""
    return _combine(legendre_basis(t, paths.shape[1] - 1, derivative=True), paths)


def integrals_at(paths: Float[Tensor, "B K N C"], t: Float[Tensor, "B"]) -> Float[Tensor, "B N C"]:
    """Integrals of polynomials from 0 to one time per sequence."""
    degree = paths.shape[1] - 1
    values = legendre_basis(t, degree + 1)  # [B, K + 1]
    # the integral of P_n over x is (P_n+1 - P_n-1) / (2n + 1), which vanishes at x = -1
    orders = torch.arange(1, degree + 1, device=t.device)
    weights = (values[:, 2:] - values[:, :-2]) / (2 * (2 * orders + 1))
    return _combine(torch.cat([t.unsqueeze(1), weights], 1), paths)


def _combine(weights: Float[Tensor, "B K"], paths: Float[Tensor, "B K N C"]) -> Tensor:
    return (weights[:, :, None, None] * paths).sum(1)


@lru_cache
def _penalty(degree: int, smoothing: float, device: torch.device) -> Float[Tensor, "K K"]:
    """Matrix of the quadratic form smoothing * mean of x''^2 + REST * mean of x'^2 over [0, 1]."""
    nodes, weights = legendre.leggauss(degree + 1)  # exact for these polynomials

    def mean_square(order: int) -> np.ndarray:
        columns = [
            legendre.legval(nodes, legendre.legder(unit, order)) * 2.0**order
            for unit in np.eye(degree + 1)
        ]
        table = np.stack(columns, 1)
        return table.T @ (table * weights[:, None] / 2)

    return torch.from_numpy(smoothing * mean_square(2) + REST * mean_square(1)).to(device)
