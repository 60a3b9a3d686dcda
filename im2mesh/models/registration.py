"""Motion of clouds that do not correspond, found without learning: coherent, and locally affine.

In the spirit of Coherent Point Drift (Myronenko and Song, PAMI 2010): every point of a later cloud
is explained, softly, by the points of the first cloud where they are now thought to be, and those
move towards what they explain. What one point sees is mostly noise of sampling, for two clouds of
one surface share no points. So displacements are polynomials in time, and at every point they are
those of an affine motion fitted to its surroundings (moving least squares); both are looked for
from far and wide to near and narrow.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from im2mesh.models.neighbourhood import find_neighbourhood
from im2mesh.models.paths import legendre_basis
from im2mesh.models.precision import full_precision

STAGES = (
    (0.08, 0.20),
    (0.06, 0.20),
    (0.06, 0.15),
    (0.04, 0.15),
    (0.04, 0.12),
    (0.03, 0.10),
    (0.03, 0.10),
)
"""Standard deviations, in units of the first frame: of how far from where it is thought to be a
point can explain another, and of the surroundings that move together."""
TOLD_STAGES = (1, 3, 6)
"""Those after which the surroundings get narrower, and the last."""
OUTLIERS = 0.3
"""How likely a point is explained by none, against one point exactly where it is."""
STIFFNESS = 0.3
"""Resistance to stretching and turning, relative to the surroundings' spread."""
REST = 0.05
"""Points explained that weigh as much as the wish to stay."""
BENDING = (1e-3, 1.0, 4.0)
"""Resistance of the linear, quadratic and cubic part in time, in clouds."""
DEGREE = len(BENDING)
LEAST_EXPONENT = -20.0
"""Below it numbers would lose their precision, and processors their speed."""
MOST_POINTS = 1000
"""Of a cloud that are compared with those of another, each with each; the others go along."""
NUM_CARRIERS = 4
"""Compared points that take another along."""


@torch.no_grad()
def register_clouds(
    clouds: Float[Tensor, "B T N 3"], times: Float[Tensor, "B T"]
) -> Float[Tensor, "B S N J 3"]:
    """Displacements of the first cloud's points after every stage of the search; no gradient.

    Costs time and memory in proportion to T N^2, up to 1000 points a cloud.

    Args:
        clouds: Independent points of a moving surface in every frame, in the frame of the first.
        times: Of the frames, strictly increasing within [0, 1]. Of one frame, nothing moves.

    Returns:
        Coefficients of `displacement_basis` for each stage of `STAGES`, the last the best.
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
    return torch.linalg.solve(normal, basis.transpose(1, 2))


def _pull(
    positions: Float[Tensor, "B T N 3"], clouds: Float[Tensor, "B T M 3"], width: float
) -> tuple[Float[Tensor, "B T N 3"], Float[Tensor, "B T N 1"]]:
    """What positions explain of clouds: the sum of offsets to it, and how many points it is.

    Also of a cloud and itself the pull is not 0, for there is more surface on one side of a point
    than on the other; so that of the first cloud is to be subtracted (as if nothing had turned).
    """
    likely = _likeness(positions, clouds, width)
    share = 1 / (likely.sum(-2) + OUTLIERS).unsqueeze(-1)
    explained = likely @ torch.cat([share * clouds, share], -1)
    points, mass = explained.split((3, 1), -1)
    return points - mass * positions, mass


def _likeness(
    queries: Float[Tensor, "B T N 3"], points: Float[Tensor, "B T M 3"], width: float
) -> Float[Tensor, "B T N M"]:
    """exp(-d^2 / (2 width^2)) of all distances d: of one matrix product, for speed."""
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
    """Every anchor's displacement, of the affine motion that its surroundings follow best."""
    place = torch.cat([torch.ones_like(mass), anchors], -1)  # [B, N, 4]
    squares = (mass * place).unsqueeze(-1) * place.unsqueeze(-2)
    products = place.unsqueeze(-1) * pull.flatten(2).unsqueeze(-2)
    sums = surroundings @ torch.cat([squares.flatten(2), products.flatten(2)], -1)
    normal, right = sums.split((16, sums.shape[-1] - 16), -1)
    normal, right = normal.unflatten(-1, (4, 4)), right.unflatten(-1, (4, -1))
    # about the anchor itself, where the constant part is its displacement
    shift = torch.eye(4, dtype=anchors.dtype, device=anchors.device)
    shift = shift.repeat(*anchors.shape[:2], 1, 1)
    shift[..., 1:, 0] = -anchors
    normal = shift @ normal @ shift.transpose(-1, -2)
    stiff = STIFFNESS * reach**2 * normal[..., 0, 0]
    resistance = torch.stack([torch.full_like(stiff, REST), stiff, stiff, stiff], -1)
    affine = torch.linalg.solve(normal + resistance.diag_embed(), shift @ right)
    return affine[..., 0, :].unflatten(-1, pull.shape[2:])
