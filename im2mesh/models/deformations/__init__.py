"""Deformations: points carried from one time to another without a velocity field."""

from im2mesh.models.deformations.anchored import Anchored
from im2mesh.models.deformations.coupling import Coupling
from im2mesh.models.deformations.displacement import Displacement
from im2mesh.models.deformations.given import Carried, Static
from im2mesh.models.deformations.one_shot import OneShotDeformation

DEFORMATIONS = {
    "static": Static,
    "carried": Carried,
    "anchored": Anchored,
    "displacement": Displacement,
    "coupling": Coupling,
}

__all__ = [
    "DEFORMATIONS",
    "Anchored",
    "Carried",
    "Coupling",
    "Displacement",
    "OneShotDeformation",
    "Static",
]
