"""From the axes and the unit of a source to those of this program: y up, +z forward, metres."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from im2mesh.errors import UserError
from im2mesh.meshing.mesh import Mesh

AXES = ("x", "y", "z", "-x", "-y", "-z")
UNITS = {"m": 1.0, "dm": 0.1, "cm": 0.01, "mm": 0.001, "in": 0.0254, "ft": 0.3048}
"""Name of a unit -> its length in metres."""
_FORWARD = {"y": "z", "-y": "z", "z": "-y", "-z": "y", "x": "z", "-x": "z"}
"""Up -> forward where nothing else is said; Blender has z and -y."""


@dataclass(frozen=True)
class Placement:
    """Axes and unit of a source.

    Attributes:
        up, forward: Directions of the source in which the head and the toes of a body point.
        unit: Metres per unit of length of the source.
    """

    up: str = "y"
    forward: str = "z"
    unit: float = 1.0

    def __post_init__(self) -> None:
        if self.up[-1] == self.forward[-1]:
            raise UserError(
                f"--up {self.up} and --forward {self.forward} lie along one axis; choose two axes"
            )
        if not 0 < self.unit < np.inf:
            raise UserError(f"--unit must be a positive number of metres, got {self.unit}")

    @property
    def matrix(self) -> Float[np.ndarray, "3 3"]:
        """Turns directions of the source into ours and scales them; it never mirrors."""
        up, forward = _direction(self.up), _direction(self.forward)
        return self.unit * np.stack([np.cross(up, forward), up, forward])

    def place(self, mesh: Mesh) -> Mesh:
        """The mesh in our axes, in metres, as float64."""
        return Mesh(mesh.vertices.astype(np.float64) @ self.matrix.T, mesh.faces)


def placement_of(up: str, forward: str | None, unit: str) -> Placement:
    """What the words of the command line mean; see `Placement`.

    Raises:
        UserError: If the unit is neither a name nor a number, or the axes are one.
    """
    try:
        metres = UNITS[unit] if unit in UNITS else float(unit)
    except ValueError as error:
        raise UserError(
            f"--unit is {unit!r}; choose one of {', '.join(UNITS)}, or give the metres per unit"
        ) from error
    return Placement(up, forward or _FORWARD[up], metres)


def _direction(axis: str) -> Float[np.ndarray, "3"]:
    return (-1.0 if axis[0] == "-" else 1.0) * np.eye(3)["xyz".index(axis[-1])]
