"""Move the vertices of an extracted mesh onto the exact level set of the occupancy function."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from im2mesh.meshing.extraction import LogitsFunction, probability_to_logit


def refine_vertices(
    logits_function: LogitsFunction,
    vertices: Float[np.ndarray, "V 3"],
    *,
    voxel_size: float,
    threshold: float = 0.3,
    num_steps: int = 3,
    batch_points: int = 100_000,
) -> Float[np.ndarray, "V 3"]:
    """Move vertices along the gradient onto the surface; faces stay valid, as no vertex is lost.

    Newton's method along the gradient, p - (f(p) - level) grad f / |grad f|^2, with two
    safeguards: a step is no longer than half a voxel, and it is taken only where it brings the
    vertex closer to the level; otherwise that vertex tries again with half the length. Works when
    the caller has switched gradients off with `torch.no_grad`.

    Args:
        logits_function: Occupancy logits [N] of positions [N, 3], differentiable in the positions.
        vertices: Vertices of `extract_surface` with the same function and threshold.
        voxel_size: Side of a grid cell of that extraction.
        threshold: Occupancy probability on the surface.
        num_steps: Newton steps; each costs one evaluation and one gradient per vertex.
        batch_points: Largest number of vertices per call of the function.

    Raises:
        ValueError: If the function returns values that carry no gradient.
    """
    level = probability_to_logit(threshold)
    if voxel_size <= 0 or num_steps < 0:
        raise ValueError(f"expected voxel_size > 0, num_steps >= 0, got {voxel_size}, {num_steps}")
    if len(vertices) == 0:
        return vertices
    batches = torch.from_numpy(np.array(vertices, np.float32)).split(batch_points)
    refined = [_newton(logits_function, b, level, voxel_size / 2, num_steps) for b in batches]
    return torch.cat(refined).numpy()


def _newton(
    logits_function: LogitsFunction,
    points: Float[Tensor, "N 3"],
    level: float,
    longest_step: float,
    num_steps: int,
) -> Float[Tensor, "N 3"]:
    residual, gradient = _residual_and_gradient(logits_function, points, level)
    reach = torch.full_like(residual, longest_step)  # per vertex, halved after a refused step
    for _ in range(num_steps):
        slope = gradient.norm(dim=1).clamp_min(1e-12)
        length = torch.minimum(residual.abs() / slope, reach)
        direction = -residual.sign()[:, None] * gradient / slope[:, None]
        trial = points + length[:, None] * direction
        trial_residual, trial_gradient = _residual_and_gradient(logits_function, trial, level)
        closer = trial_residual.abs() < residual.abs()
        points = torch.where(closer[:, None], trial, points)
        gradient = torch.where(closer[:, None], trial_gradient, gradient)
        residual = torch.where(closer, trial_residual, residual)
        reach = torch.where(closer, reach, length / 2)
    return points


def _residual_and_gradient(
    logits_function: LogitsFunction, points: Float[Tensor, "N 3"], level: float
) -> tuple[Float[Tensor, " N"], Float[Tensor, "N 3"]]:
    """f(p) - level and grad f(p), on the CPU."""
    with torch.enable_grad():
        leaf = points.detach().requires_grad_()
        logits = logits_function(leaf)
        if not logits.requires_grad:
            raise ValueError(
                "logits_function returned values without a gradient; "
                "call the network without torch.no_grad or torch.inference_mode inside"
            )
        (gradient,) = torch.autograd.grad(logits.sum(), leaf)
    return logits.detach().float().cpu() - level, gradient
