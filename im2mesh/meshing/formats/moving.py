"""What an animated file holds, of whatever format."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from im2mesh.meshing.mesh import Mesh


@dataclass(frozen=True)
class MovingMeshes:
    """The meshes of an animation; they may differ in their faces.

    Attributes:
        meshes: One mesh per keyframe, in the coordinates of the file.
        seconds: Times of the keyframes; a single 0 for a file that does not move.
        loc, scale: Place in the world, in metres: world = loc + scale * vertices. Formats that have
            no room for it say 0 and 1.
    """

    meshes: list[Mesh]
    seconds: Float[np.ndarray, "T"]
    loc: Float[np.ndarray, "3"] = field(default_factory=lambda: np.zeros(3))
    scale: float = 1.0
