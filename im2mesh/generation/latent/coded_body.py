"""A moving body as its codes.

Every body moves in the normalised coordinates of its own first frame, whatever window its codes
come from. Its place in the world is that of the window that gave its shape: `CodedBody.frame`.
"""

from dataclasses import dataclass
from typing import Literal, get_args

from im2mesh.data.transforms import NormalizationFrame
from im2mesh.generation.surface import GivenSurface
from im2mesh.models.sequence_model import SequenceCodes

CodeName = Literal["shape", "motion"]
CODE_NAMES: tuple[CodeName, ...] = get_args(CodeName)


@dataclass(frozen=True)
class CodedBody:
    """The codes of a moving body, from which meshes can be made.

    Attributes:
        name: Name of its folder.
        label: Text beside its pictures; short, and of one folder all different.
        codes: Codes of one sequence (B = 1).
        frame: Place and size in the world of the body whose shape it has; loc 0 and scale 1, the
            normalised coordinates themselves, for a sample of the prior.
        given: Surface at t = 0, for configs with generation.surface mesh or cloud.
    """

    name: str
    label: str
    codes: SequenceCodes
    frame: NormalizationFrame
    given: GivenSurface | None = None
