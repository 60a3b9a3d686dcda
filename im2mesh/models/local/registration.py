"""Motion between clouds that do not correspond, found without learning: coherent, locally affine.

In the spirit of Coherent Point Drift (Myronenko and Song, PAMI 2010): points of the first cloud,
where they are now thought to be, softly explain every point of a later cloud, and then move towards
the points that they explain. Two clouds of one surface share no points, so what a single point sees
is mostly sampling noise. Displacements are therefore polynomials in time, and at every point they
follow an affine motion fitted to its surroundings (moving least squares). The search goes in stages
from far matches and wide surroundings to near and narrow ones.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from im2mesh.models.layers.precision import full_precision
from im2mesh.models.local.neighbourhood import find_neighbourhood
from im2mesh.models.local.paths import legendre_basis

STAGES = (
    (0.08, 0.20),
    (0.06, 0.20),
    (0.06, 0.15),
    (0.04, 0.15),
    (0.04, 0.12),
    (0.03, 0.10),
    (0.03, 0.10),
)
"""Two standard deviations per stage, in units of the first frame: how far from its expected place a
point may be and still be matched, and how large the surroundings are that move together."""
TOLD_STAGES = (1, 3, 6)
"""Stages whose result a network is told: two after which the surroundings shrink, and the last."""
OUTLIERS = 0.3
"""Likelihood that no point explains a given point; a point in exactly its place has 1."""
STIFFNESS = 0.3
"""Resistance to stretching and turning, relative to the spread of the surroundings."""
REST = 0.05
"""Resistance to moving at all, as a number of explained points that weigh as much."""
BENDING = (1e-3, 1.0, 4.0)
"""Resistance of the linear, quadratic and cubic part in time; 1 weighs as much as one cloud."""
DEGREE = len(BENDING)
LEAST_EXPONENT = -20.0
"""Lower bound of exponents: smaller numbers lose precision, and slow processors down."""
MOST_POINTS = 1000
"""Points of a cloud that are compared with all points of another; the rest moves with them."""
NUM_CARRIERS = 4
"""Compared points whose blended displacement moves one point of the rest."""


@torch.no_grad()
def register_clouds(
    clouds: Float[Tensor, "B T N 3"], times: Float[Tensor, "B T"]
) -> Float[Tensor, "B S N J 3"]:
    """Displacements of the first cloud's points after every stage of the search; no gradient.

    Time and memory grow as T N^2, where N is at most the 1000 points that are compared.

    Args:
        clouds: Independent samples of a moving surface, in the frame of the first mesh.
        times: Times of the frames, strictly increasing within [0, 1]. With one frame nothing moves.

    Returns:
        Coefficients of `displacement_basis` after each of the `STAGES`; the last are the best.
    """
    if clouds.shape[1] == 1:
        return clouds.new_zeros(len(clouds), len(STAGES), clouds.shape[2], DEGREE, 3)
    some = _spread_points(clouds)
    with full_precision(clouds.device.type):
        stages = _search(some, times)
    if some.shape[2] == clouds.shape[2]:
        return stages
    near = find_neighbourhood(clouds[:, 0], some[:, 0], NUM_CARRIERS)
    weights = near.blend_weights(torch.ones_like(some[:, 0, :, :1]))
    carried = (weights * near.take(stages.transpose(1, 2).flatten(2))).sum(2)
    return carried.unflatten(-1, (len(STAGES), DEGREE, 3)).transpose(1, 2)


def _spread_points(clouds: Float[Tensor, "B T N 3"]) -> Float[Tensor, "B T M 3"]:
    count = clouds.shape[2]
    if count <= MOST_POINTS:
        return clouds
    rows = torch.linspace(0, count - 1, MOST_POINTS, device=clouds.device)
    return clouds[:, :, rows.round().long()]


def _search(
    clouds: Float[Tensor, "B T N 3"], times: Float[Tensor, "B T"]
) -> Float[Tensor, "B S N J 3"]:
    anchors, later = clouds[:, :1], clouds[:, 1:]
    basis = displacement_basis(times, DEGREE)[:, 1:]  # [B, T - 1, J]
    fit = _time_fit(basis)
    widths, reaches = ({stage[k] for stage in STAGES} for k in (0, 1))
    at_rest = {width: _pull(anchors, anchors, width)[0] for width in widths}
    surroundings = {reach: _likeness(anchors, anchors, reach).squeeze(1) for reach in reaches}
    motion = clouds.new_zeros(len(clouds), clouds.shape[2], DEGREE, 3)
    stages = []
    for width, reach in STAGES:
        moved = anchors + torch.einsum("btj,bnjc->btnc", basis, motion)
        pull, mass = _pull(moved, later, width)
        pull = torch.einsum("bjt,btnc->bnjc", fit, pull - at_rest[width])
        near = surroundings[reach]
        motion = motion + _locally_affine(anchors.squeeze(1), pull, mass.mean(1), near, reach)
        stages.append(motion)
    return torch.stack(stages, 1)


def displacement_basis(times: Float[Tensor, "B T"], degree: int) -> Float[Tensor, "B T J"]:
    """Legendre polynomials without the constant, shifted to be 0 at the first time."""
    basis = legendre_basis(times, degree)
    return (basis - basis[:, :1])[..., 1:]


def _time_fit(basis: Float[Tensor, "B T J"]) -> Float[Tensor, "B J T"]:
    """The linear map from displacements at the frames to coefficients."""
    normal = basis.transpose(1, 2) @ basis + torch.tensor(BENDING).to(basis).diag()
    # never singular, here and below, so the host need not wait for a GPU to say so
    return torch.linalg.solve_ex(normal, basis.transpose(1, 2)).result


def _pull(
    positions: Float[Tensor, "B T N 3"], clouds: Float[Tensor, "B T M 3"], width: float
) -> tuple[Float[Tensor, "B T N 3"], Float[Tensor, "B T N 1"]]:
    """The pull on each position (sum of offsets to points that it explains), and their number.

    The pull of a cloud on itself is not 0, because a point has more surface on one side than on
    the other. So the first cloud's pull on itself must be subtracted (as if nothing had turned).
    """
    likely = _likeness(positions, clouds, width)
    share = 1 / (likely.sum(-2) + OUTLIERS).unsqueeze(-1)
    explained = likely @ torch.cat([share * clouds, share], -1)
    points, mass = explained.split((3, 1), -1)
    return points - mass * positions, mass


def _likeness(
    queries: Float[Tensor, "B T N 3"], points: Float[Tensor, "B T M 3"], width: float
) -> Float[Tensor, "B T N M"]:
    """exp(-d^2 / (2 width^2)) for all distances d, from one matrix product for speed."""
    scale = 1 / (2 * width**2)
    ones, square = torch.ones_like(queries[..., :1]), queries.square().sum(-1, keepdim=True)
    query = torch.cat([2 * scale * queries, -scale * square, ones], -1)
    ones, square = torch.ones_like(points[..., :1]), points.square().sum(-1, keepdim=True)
    key = torch.cat([points, ones, -scale * square], -1)
    return (query @ key.transpose(-1, -2)).clamp_(min=LEAST_EXPONENT).exp_()


def _locally_affine(
    anchors: Float[Tensor, "B N 3"],
    pull: Float[Tensor, "B N J 3"],
    mass: Float[Tensor, "B N 1"],
    surroundings: Float[Tensor, "B N N"],
    reach: float,
) -> Float[Tensor, "B N J 3"]:
    """Displacement of every anchor by the affine motion that fits its surroundings best."""
    place = torch.cat([torch.ones_like(mass), anchors], -1)  # [B, N, 4]
    squares = (mass * place).unsqueeze(-1) * place.unsqueeze(-2)
    products = place.unsqueeze(-1) * pull.flatten(2).unsqueeze(-2)
    sums = surroundings @ torch.cat([squares.flatten(2), products.flatten(2)], -1)
    normal, right = sums.split((16, sums.shape[-1] - 16), -1)
    normal, right = normal.unflatten(-1, (4, 4)), right.unflatten(-1, (4, -1))
    # with the anchor as origin, the constant part of the affine motion is its displacement
    shift = torch.eye(4, dtype=anchors.dtype, device=anchors.device)
    shift = shift.repeat(*anchors.shape[:2], 1, 1)
    shift[..., 1:, 0] = -anchors
    normal = shift @ normal @ shift.transpose(-1, -2)
    stiff = STIFFNESS * reach**2 * normal[..., 0, 0]
    resistance = torch.stack([torch.full_like(stiff, REST), stiff, stiff, stiff], -1)
    affine = torch.linalg.solve_ex(normal + resistance.diag_embed(), shift @ right).result
    return affine[..., 0, :].unflatten(-1, pull.shape[2:])
