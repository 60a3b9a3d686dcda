"""What the live viewer can show: anything with frames."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from im2mesh.config.schema import Config
from im2mesh.data.frames import StoredWindow
from im2mesh.generation.window_input import WindowInput
from im2mesh.visualization.panel import Panel


@dataclass(frozen=True)
class Span:
    """Frames that follow each other: the index of the first, and how many."""

    start: int
    count: int


@dataclass(frozen=True)
class Shown:
    """What is shown of some frames.

    Attributes:
        panel: Truth, prediction and input, as far as they are known.
        seconds: From the first frame to the last; None if nobody knows.
        note: What is missing, and why.
        stored: The window with the true points, by which errors are measured, if there is any.
    """

    panel: Panel
    seconds: float | None
    note: str = ""
    stored: StoredWindow | None = None


class Source(Protocol):
    """One thing that can be chosen.

    Attributes:
        group: Heading below which it stands in the list.
        name: Its own name.
        run: Folder of the run that made it, whose weights answer for it, if there is any.
        can_be_cut: Whether any frames of it may be chosen.
    """

    @property
    def group(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def run(self) -> Path | None: ...
    @property
    def can_be_cut(self) -> bool: ...

    def count_frames(self) -> int: ...

    def show(self, span: Span) -> Shown: ...

    def observe(self, span: Span, config: Config) -> WindowInput:
        """What a model of that configuration sees of the frames.

        Raises:
            UserError: If it cannot read them.
        """
        ...
