"""What preparation asks of a source: clips, whose frames are meshes."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from im2mesh.meshing.mesh import Mesh

FrameReader = Callable[[int], Mesh]
"""Index of a frame -> its mesh, in the coordinates of the source."""


class ClipSource(ABC):
    """One clip where it comes from. It holds names alone, so that another process can read it."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The name that the clip gets."""

    @property
    @abstractmethod
    def numbers(self) -> Sequence[int]:
        """Numbers of the frames, increasing and evenly spaced; files are named after them."""

    @abstractmethod
    def where(self, index: int) -> str:
        """Where a frame comes from, for messages: the file, and the frame if it holds several."""

    @abstractmethod
    def open(self) -> AbstractContextManager[FrameReader]:
        """Open what holds the frames.

        Raises:
            UserError: Here and by the reader, if a file is missing or broken; it names the file.
        """

    @property
    def promises_correspondence(self) -> bool:
        """Whether vertex i is the same surface point in all frames, as the kind of source says."""
        return True

    @property
    def num_frames(self) -> int:
        return len(self.numbers)


@dataclass(frozen=True)
class SourceOptions:
    """What the user may say about a source.

    Attributes:
        fps: Frames a second that are wanted; None for all that there are.
        source_fps: Frames a second of the source, where its kind does not say.
        faces: File with the triangles of frames that hold vertices alone.
    """

    fps: float | None = None
    source_fps: float | None = None
    faces: Path | None = None
