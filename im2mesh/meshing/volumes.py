"""What a surface encloses, face by face."""

import numpy as np
from jaxtyping import Float

from im2mesh.meshing.mesh import Mesh


def signed_volumes(mesh: Mesh) -> Float[np.ndarray, "F"]:
    """Of the tetrahedra between the faces and the middle of all vertices.

    Those of a closed piece sum up to its volume, and to less than 0 if its faces look inwards.
    """
    corners = mesh.vertices.astype(np.float64)[mesh.faces]  # [F, 3 corners, 3]
    corners -= mesh.vertices.mean(axis=0)  # near the origin less is lost to rounding
    return np.linalg.det(corners) / 6
