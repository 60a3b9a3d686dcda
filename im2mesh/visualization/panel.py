"""What pictures of one window show: observed, predicted and true frames, and errors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from im2mesh.meshing.mesh import Mesh

Kind = Literal["matched", "projected", "nearest", "missing"]


@dataclass(frozen=True)
class VertexErrors:
    """Distances in units of the longest side of the first true mesh.

    Attributes:
        by_frame: Frame number -> one distance per vertex.
        kind: For predicted vertices, "matched" and "projected" are `correspondence_errors`, without
            and with a projection of the last frame; "nearest" is the distance to the nearest true
            point of the same frame, which says nothing about correspondence. For true vertices,
            "missing" is the distance to the nearest predicted vertex.
    """

    by_frame: dict[int, Float[np.ndarray, " V"]]
    kind: Kind


@dataclass(frozen=True)
class Panel:
    """The contents of the picture of one window; positions are in the window's coordinates.

    Attributes:
        title: Text above the rows.
        truth: Mesh or point cloud of each frame.
        prediction: Frame number -> mesh or point cloud, if there is any; frames may be missing.
        inputs: Frame number -> observed cloud [N, 3] or RGB image [3, H, W] in [0, 1].
        iou: Frame number -> IoU, for the frames where it is known.
        errors: Errors of the predicted vertices.
    """

    title: str
    truth: Sequence[Mesh]
    prediction: Mapping[int, Mesh] | None = None
    inputs: Mapping[int, np.ndarray] | None = None
    iou: Mapping[int, float] | None = None
    errors: VertexErrors | None = None

    @property
    def num_frames(self) -> int:
        return len(self.truth)

    @property
    def num_shown(self) -> int:
        """Number of frames up to the last of which there is anything."""
        known = [*range(len(self.truth)), *(self.prediction or {}), *(self.inputs or {})]
        return 1 + max(known, default=-1)
