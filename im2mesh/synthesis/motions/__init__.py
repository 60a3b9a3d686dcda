"""The motions."""

from im2mesh.synthesis.motions.repertoire import MOTIONS

__all__ = ["MOTIONS"]
