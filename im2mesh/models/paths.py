"""Smooth paths of observed points: a polynomial in time for each, fitted to all its positions.

An interpolated trajectory has a velocity that jumps at every frame and is dominated by noise. A
polynomial of low degree, fitted with a penalty on acceleration (a smoothing spline in a small
basis), is defined for any times and number of frames, and has all derivatives.
"""

from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float
from numpy.polynomial import legendre
from torch import Tensor

DEGREE = 5
"""Enough for half a stride or a punch in a window of a quarter of a second."""
SMOOTHING = 1e-4
"""Weight of the mean squared acceleration against the squared error summed over frames. Of 1e-7 to
1e-3 and degrees 3, 5 and 7 the best for noise of .001, on synthetic and on real clips."""
REST = 1e-9
"""The same of the velocity: what no frame tells stands still."""


def fit_paths(
    clouds: Float[Tensor, "B T N 3"],
    times: Float[Tensor, "B T"],
    degree: int = DEGREE,
    smoothing: float = SMOOTHING,
) -> Float[Tensor, "B K N 3"]:
    """Coefficients, in Legendre polynomials over [0, 1], of the path of every point.

    Args:
        clouds: Row n is the same particle in all frames.
        times: Of the frames, strictly increasing within [0, 1]; one frame stands still.
        degree: Of the polynomials, K - 1.
        smoothing: Weight of the mean squared acceleration.
    """
    fit = path_fit(times, degree, smoothing)
    return torch.einsum("bkt,btni->bkni", fit, clouds.double()).to(clouds.dtype)


def path_misfit(
    paths: Float[Tensor, "B K N 3"], clouds: Float[Tensor, "B T N 3"], times: Float[Tensor, "B T"]
) -> Float[Tensor, "B N"]:
    """How far trajectories are from their paths: the root of the mean squared distance."""
    fitted = torch.einsum("btk,bkni->btni", legendre_basis(times, paths.shape[1] - 1), paths)
    return (clouds - fitted).square().sum(-1).mean(1).sqrt()


def path_fit(
    times: Float[Tensor, "B T"], degree: int, smoothing: float = SMOOTHING
) -> Float[Tensor, "B K T"]:
    """The linear map from values at the frames to coefficients, in double precision."""
    basis = legendre_basis(times.double(), degree)  # [B, T, K]
    normal = basis.transpose(1, 2) @ basis + _penalty(degree, smoothing, basis.device)
    return torch.linalg.solve(normal, basis.transpose(1, 2))


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
    """The values of polynomials, such as where points are, at one time per sequence."""
    return _combine(legendre_basis(t, paths.shape[1] - 1), paths)


def velocities_at(paths: Float[Tensor, "B K N 3"], t: Float[Tensor, "B"]) -> Float[Tensor, "B N 3"]:
    """How fast they move then, in units of the first frame per window length."""
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
    """The quadratic form of smoothing * mean of x''^2 + REST * mean of x'^2 over [0, 1]."""
    nodes, weights = legendre.leggauss(degree + 1)  # exact for these squares

    def mean_square(order: int) -> np.ndarray:
        columns = [
            legendre.legval(nodes, legendre.legder(unit, order)) * 2.0**order
            for unit in np.eye(degree + 1)
        ]
        table = np.stack(columns, 1)
        return table.T @ (table * weights[:, None] / 2)

    return torch.from_numpy(smoothing * mean_square(2) + REST * mean_square(1)).to(device)
