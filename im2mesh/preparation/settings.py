"""The settings that decide the content of prepared files."""

from dataclasses import dataclass, field

from im2mesh.errors import UserError
from im2mesh.preparation.placement import Placement

NORMALISATIONS = ("frame", "clip")


@dataclass(frozen=True)
class PreparationSettings:
    """What is written of each frame.

    Attributes:
        surface_points: Points on the surface, with normals.
        occupancy_points: Labelled points in the cube around the body; 0 for none.
        near_surface_points: Labelled points near the surface; 0 for none.
        near_surface_sigma: Standard deviation of their distance, in units of the longest side.
        meshes: Whether meshes are written.
        normalise: Whose bounding box is brought to longest side 1: that of each frame, as in the
            authors' data, or of all frames of a clip.
        placement: Axes and unit of the source.
        seed: Seed of all points.
    """

    surface_points: int = 20000
    occupancy_points: int = 20000
    near_surface_points: int = 5000
    near_surface_sigma: float = 0.01
    meshes: bool = True
    normalise: str = "frame"
    placement: Placement = field(default_factory=Placement)
    seed: int = 0

    def __post_init__(self) -> None:
        least = {"surface_points": 1, "occupancy_points": 0, "near_surface_points": 0, "seed": 0}
        for name, minimum in least.items():
            if getattr(self, name) < minimum:
                raise UserError(f"{name} must be at least {minimum}, got {getattr(self, name)}")
        if not self.near_surface_sigma > 0:
            raise UserError(f"near_surface_sigma must be positive, got {self.near_surface_sigma}")
        if self.normalise not in NORMALISATIONS:
            raise UserError(
                f"normalise is {self.normalise}; choose one of: {', '.join(NORMALISATIONS)}"
            )
