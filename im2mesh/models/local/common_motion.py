"""Noise of tracked points, averaged over neighbours that move together as well as over frames.

A path alone cannot tell noise from motion where it begins and ends, so that two thirds of the noise
stay at t = 0. But a small piece of a body keeps its shape: turned back to one pose, all frames show
the same piece, and their mean has little noise.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from im2mesh.models.layers.neighbours import gather_rows, nearest_rows
from im2mesh.models.local.coherence import coherence
from im2mesh.models.local.paths import positions_at_frames
from im2mesh.models.local.rotations import rotation_matrices

NUM_NEIGHBOURS = 16
"""Points of a neighbourhood, the point itself among them. Of noise 0.02, 8 leave a sixth more at
t = 0. With 24 less is left of that, but more of noise 0.001, and it takes half as long again."""
STRETCH = 0.002
"""Standard deviation of the distance to a neighbour over time, in units of the first frame, beyond
that of the noise. Neighbours that vary more belong to another part of the body."""
LEAST_NOISE = 0.0005
"""Noise at which half of the correction is made: pieces of a body are this far from rigid."""
MOST_NOISE = 0.03
"""What is more is no noise: most rows are outliers. It would make all neighbours look coherent."""
NUM_STEPS = 2
"""Newton steps from the rotation at one frame to that at the next. Of 60 degrees between frames,
some hundredths of a radian remain, which the next frame corrects; 90 are too many."""


def average_neighbours(
    clouds: Float[Tensor, "B T N 3"],
    paths: Float[Tensor, "B K N 3"],
    misfit: Float[Tensor, "B N"],
    times: Float[Tensor, "B T"],
) -> Float[Tensor, "B T N 3"]:
    """Positions at the frames, with less noise than those on the paths.

    Around every point, the rigid motion of its neighbours (on their paths) takes all frames to one
    pose, where the observed positions are averaged; the motion takes the means back to the frames.
    A point gets the mean of what the neighbourhoods that it belongs to say. The smaller the noise,
    the more the positions are those on the paths, since no part of a body is quite rigid.

    Args:
        clouds: Observed positions; row n is the same particle in all frames.
        paths: Coefficients of the path of every row; see `paths.py`.
        misfit: Root mean square distance between each row and its path.
        times: Times of the frames within [0, 1].
    """
    smooth = positions_at_frames(paths.double(), times).transpose(1, 2)
    noise = misfit.double().median(1).values / 3**0.5  # [B], of one coordinate
    noise = noise.clamp(max=MOST_NOISE)
    trusted = noise**2 / (noise**2 + LEAST_NOISE**2)
    with torch.no_grad():
        told = _told_by_neighbours(clouds.double().transpose(1, 2), smooth, noise)
        correction = trusted[:, None, None, None] * (told - smooth)
    return (smooth + correction).transpose(1, 2).to(clouds.dtype)


def _told_by_neighbours(
    observed: Float[Tensor, "B N T 3"], smooth: Float[Tensor, "B N T 3"], noise: Float[Tensor, "B"]
) -> Float[Tensor, "B N T 3"]:
    start = smooth[:, :, 0]
    rows = nearest_rows(start, start, min(NUM_NEIGHBOURS, start.shape[1]))
    rows[:, :, 0] = torch.arange(start.shape[1], device=rows.device)  # not always, among copies
    # all frames of a point in one row, so that a neighbourhood is one product of matrices
    near = gather_rows(smooth.flatten(2), rows)  # [B, N, k, D = 3 T]
    # a path keeps about a quarter of the variance of the noise, and a distance has that of two
    usual = STRETCH**2 + noise[:, None, None] ** 2 / 2
    weights = coherence((near - near[:, :, :1]).unflatten(-1, smooth.shape[2:]), usual)
    centres = weights.unsqueeze(2) @ near  # [B, N, 1, 3 T]
    turns = _rotations(near, centres, weights)
    offsets = gather_rows(observed.flatten(2), rows).sub_(centres)
    piece = offsets @ turns.flatten(2, 3) / smooth.shape[2]  # [B, N, k, 3], the mean over frames
    placed = (piece @ turns.flatten(2, 3).transpose(2, 3)).add_(centres)
    return _mean_by_row(placed, weights, rows).view_as(smooth)


def _rotations(
    near: Float[Tensor, "B N k D"],
    centres: Float[Tensor, "B N 1 D"],
    weights: Float[Tensor, "B N k"],
) -> Float[Tensor, "B N T 3 3"]:
    """The rotations that take neighbours from the first frame closest to where they are in each.

    Newton's method on the sum of squares, in the frame of the turned body, where the inertia of the
    neighbours does not change. Every frame starts from the one before, so that a body may turn as
    far as it likes.
    """
    first = near[..., :3] - centres[..., :3]
    weighted = (weights.unsqueeze(-1) * first).transpose(2, 3)  # [B, N, 3, k]
    moments = weighted @ first
    spread = moments.diagonal(dim1=2, dim2=3).sum(-1)[..., None, None]
    identity = torch.eye(3, dtype=near.dtype, device=near.device)
    # neighbours on a line, or in one place, do not tell all of a rotation
    inertia = 1.001 * spread * identity - moments + 1e-12 * identity
    inverse = torch.linalg.inv_ex(inertia).inverse
    products = (weighted @ near).unflatten(-1, (-1, 3))  # [B, N, 3, T, 3]
    turns = [identity.expand_as(moments)]
    for product in products.unbind(3)[1:]:
        turns.append(_turn_further(turns[-1], product, inverse))
    return torch.stack(turns, 2)


def _turn_further(
    turn: Float[Tensor, "B N 3 3"],
    product: Float[Tensor, "B N 3 3"],
    inverse: Float[Tensor, "B N 3 3"],
) -> Float[Tensor, "B N 3 3"]:
    for _ in range(NUM_STEPS):
        step = inverse @ _axial(product @ turn).unsqueeze(-1)
        turn = turn @ rotation_matrices(step.squeeze(-1))
    return turn


def _axial(products: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3"]:
    """Sum of a x b, where `products` is the sum of a b^T."""
    skew = products - products.transpose(-1, -2)
    return torch.stack([skew[..., 1, 2], skew[..., 2, 0], skew[..., 0, 1]], -1)


def _mean_by_row(
    placed: Float[Tensor, "B N k D"], weights: Float[Tensor, "B N k"], rows: Int[Tensor, "B N k"]
) -> Float[Tensor, "B N D"]:
    """What all neighbourhoods say of every row, weighted."""
    batch, count = placed.shape[:2]
    target = (rows + count * torch.arange(batch, device=rows.device).view(-1, 1, 1)).flatten()
    sums = placed.new_zeros(batch * count, placed.shape[3])
    sums.index_add_(0, target, placed.mul_(weights.unsqueeze(-1)).flatten(0, 2))
    total = weights.new_zeros(batch * count).index_add_(0, target, weights.flatten())
    return (sums / total.unsqueeze(1)).unflatten(0, (batch, count))
