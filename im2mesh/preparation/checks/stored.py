"""The points of a frame as they are stored, each kind in a frame of reference of its own."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from im2mesh.data.transforms import NormalizationFrame


@dataclass(frozen=True)
class Cloud:
    """Surface points as they are stored, in a frame of reference of their own."""

    points: Float[np.ndarray, "N 3"]
    normals: Float[np.ndarray, "N 3"] | None
    frame: NormalizationFrame


@dataclass(frozen=True)
class Labels:
    """Labelled points as they are stored."""

    points: Float[np.ndarray, "N 3"]
    inside: Bool[np.ndarray, "N"]
    frame: NormalizationFrame
