"""Deformations: points carried from one time to another without a velocity field."""

from im2mesh.models.deformations.given import Carried, Static
from im2mesh.models.deformations.one_shot import OneShotDeformation

DEFORMATIONS = {"static": Static, "carried": Carried}

__all__ = ["DEFORMATIONS", "Carried", "OneShotDeformation", "Static"]
