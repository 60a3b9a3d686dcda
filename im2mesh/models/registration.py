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


@torch.no_grad()
def register_clouds(
    clouds: Float[Tensor, "B T N 3"], times: Float[Tensor, "B T"]
) -> Float[Tensor, "B S N J 3"]:
    """Displacements of the first cloud's points after every stage of the search.

    Args:
        clouds: Independent points of a moving surface in every frame, in the frame of the first.
        times: Of the frames, strictly increasing within [0, 1].

    Returns:
        Coefficients of `displacement_basis` for each of the S = 7 stages, the last the best.
    """
    anchors, later = clouds[:, 0], clouds[:, 1:]
    basis = displacement_basis(times, DEGREE)[:, 1:]  # [B, T - 1, J]
    motion = anchors.new_zeros(*anchors.shape[:2], DEGREE, 3)
    stages = []
    with full_precision(clouds.device.type):
        fit = _time_fit(basis)
        for width, reach in STAGES:
            moved = anchors.unsqueeze(1) + torch.einsum("btj,bnjc->btnc", basis, motion)
            pull, mass = _pull(moved, later, width)
            pull_at_rest, _ = _pull(anchors.unsqueeze(1), anchors.unsqueeze(1), width)
            pull = torch.einsum("bjt,btnc->bnjc", fit, pull - pull_at_rest)
            motion = motion + _locally_affine(anchors, pull, mass.mean(1), reach)
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

    Also of a cloud and itself it is not 0, for there is more surface on one side of a point than on
    the other; so that is to be subtracted.
    """
    scale = 1 / (2 * width**2)
    ones = torch.ones_like(positions[..., :1])
    square = scale * positions.square().sum(-1, keepdim=True)
    query = torch.cat([2 * scale * positions, -square, ones], -1)
    square = scale * clouds.square().sum(-1, keepdim=True)
    key = torch.cat([clouds, torch.ones_like(square), -square], -1)
    likely = (query @ key.transpose(-1, -2)).clamp_(min=LEAST_EXPONENT).exp_()  # [B, T, N, M]
    share = 1 / (likely.sum(-2) + OUTLIERS).unsqueeze(-1)
    explained = likely @ torch.cat([share * clouds, share], -1)
    points, mass = explained.split((3, 1), -1)
    return points - mass * positions, mass


def _locally_affine(
    anchors: Float[Tensor, "B N 3"],
    pull: Float[Tensor, "B N J 3"],
    mass: Float[Tensor, "B N 1"],
    reach: float,
) -> Float[Tensor, "B N J 3"]:
    """Every anchor's displacement, of the affine motion that its surroundings follow best."""
    surroundings = torch.exp(-torch.cdist(anchors, anchors).square() / (2 * reach**2))
    place = torch.cat([torch.ones_like(mass), anchors], -1)  # [B, N, 4]
    squares = (mass * place).unsqueeze(-1) * place.unsqueeze(-2)
    products = place.unsqueeze(-1) * pull.flatten(2).unsqueeze(-2)
    sums = surroundings @ torch.cat([squares.flatten(2), products.flatten(2)], -1)
    normal, right = sums.split((16, sums.shape[-1] - 16), -1)
    normal, right = normal.unflatten(-1, (4, 4)), right.unflatten(-1, (4, -1))
    # about the anchor itself, where the constant part is its displacement
    shift = torch.eye(4).to(anchors).repeat(*anchors.shape[:2], 1, 1)
    shift[..., 1:, 0] = -anchors
    normal = shift @ normal @ shift.transpose(-1, -2)
    stiff = STIFFNESS * reach**2 * normal[..., 0, 0]
    resistance = torch.stack([torch.full_like(stiff, REST), stiff, stiff, stiff], -1)
    affine = torch.linalg.solve(normal + resistance.diag_embed(), shift @ right)
    return affine[..., 0, :].unflatten(-1, pull.shape[2:])
