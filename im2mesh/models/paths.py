"""Smooth paths of observed points: a polynomial in time for each, fitted to all its positions.

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
"""Enough for a stride or a punch in a window of a second, of which a quarter needs 5."""
SMOOTHINGS = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7)
"""Weights of the mean squared acceleration against the squared error summed over frames, of which
every path gets one: slow motion and much noise a large one."""
REST = 1e-9
"""The same of the velocity: what no frame tells stands still."""


def fit_paths(
    clouds: Float[Tensor, "B T N 3"],
    times: Float[Tensor, "B T"],
    degree: int = DEGREE,
    smoothings: Sequence[float] = SMOOTHINGS,
) -> Float[Tensor, "B K N 3"]:
    """Coefficients, in Legendre polynomials over [0, 1], of the path of every point.

    How smooth each path is, generalised cross-validation decides (Craven and Wahba, 1979): it has
    the weight with which left-out frames would be predicted best. So a hand may be fast beside a
    chest that rests, and noise is taken away as far as can be told from motion.

    Args:
        clouds: Row n is the same particle in all frames.
        times: Of the frames, strictly increasing within [0, 1]; one frame stands still.
        degree: Of the polynomials, K - 1.
        smoothings: Weights of the mean squared acceleration to choose from.
    """
    basis, observed = legendre_basis(times.double(), degree), clouds.double()
    fits = torch.stack([_smooth_fit(basis, smoothing) for smoothing in smoothings], 1)
    paths = torch.einsum("bskt,btni->bskni", fits, observed)
    best = torch.stack(
        [_cross_validation(basis @ fit, observed) for fit in fits.unbind(1)], 1
    ).argmin(1)  # [B, N]
    chosen = best[:, None, None, :, None].expand(-1, 1, *paths.shape[2:])
    return paths.gather(1, chosen).squeeze(1).to(clouds.dtype)


def _smooth_fit(basis: Float[Tensor, "B T K"], smoothing: float) -> Float[Tensor, "B K T"]:
    """The linear map from values at the frames to coefficients, in double precision."""
    penalty = _penalty(basis.shape[-1] - 1, smoothing, basis.device)
    return torch.linalg.solve(basis.transpose(1, 2) @ basis + penalty, basis.transpose(1, 2))


def _cross_validation(
    smoother: Float[Tensor, "B T T"], observed: Float[Tensor, "B T N 3"]
) -> Float[Tensor, "B N"]:
    """Squared error of every path, over the squared share of freedom that is left to it."""
    error = observed - torch.einsum("bst,btni->bsni", smoother, observed)
    freedom = 1 - smoother.diagonal(dim1=1, dim2=2).mean(1, keepdim=True)
    # few frames leave no freedom
    return error.square().sum(-1).mean(1) / freedom.clamp(min=1e-6) ** 2


def path_misfit(
    paths: Float[Tensor, "B K N 3"], clouds: Float[Tensor, "B T N 3"], times: Float[Tensor, "B T"]
) -> Float[Tensor, "B N"]:
    """How far trajectories are from their paths: the root of the mean squared distance."""
    fitted = torch.einsum("btk,bkni->btni", legendre_basis(times, paths.shape[1] - 1), paths)
    return (clouds - fitted).square().sum(-1).mean(1).sqrt()


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
