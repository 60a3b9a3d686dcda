"""Codes that know where they are: features attached to anchor points."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from im2mesh.models.code import Code
from im2mesh.models.local.paths import integrals_at, positions_at


@dataclass(frozen=True)
class AnchoredCode(Code):
    """Features at anchors, which are observed points that move along smooth paths.

    Attributes:
        paths: Coefficients of the anchors' polynomial paths; see `paths.py`.
        features: One feature vector per anchor.
    """

    paths: Float[Tensor, "B K N 3"]
    features: Float[Tensor, "B N F"]


@dataclass(frozen=True)
class MovingCode(AnchoredCode):
    """Anchors that also know how space moves around them.

    Attributes:
        twists: Polynomial coefficients, over time, of a velocity [3] that is added to the velocity
            of the path, and of an angular velocity [3] about the anchor.
        weights: Positive influence of an anchor, relative to others at the same distance.
    """

    twists: Float[Tensor, "B J N 6"]
    weights: Float[Tensor, "B N 1"]

    def anchors_at(self, t: Float[Tensor, "B"]) -> Float[Tensor, "B N 3"]:
        """Positions of the anchors: on their paths, plus the integral of the added velocity."""
        return positions_at(self.paths, t) + integrals_at(self.twists[..., :3], t)
