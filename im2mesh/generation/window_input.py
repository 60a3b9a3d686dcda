"""What a model gets of one window."""

from dataclasses import dataclass

from im2mesh.data.batch import Observation
from im2mesh.data.transforms import NormalizationFrame
from im2mesh.generation.surface import GivenSurface


@dataclass(frozen=True)
class WindowInput:
    """The input of a window, in the coordinates of `frame`, its first frame."""

    observation: Observation
    given: GivenSurface | None
    frame: NormalizationFrame
