"""What the live viewer can show: anything with frames."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from jaxtyping import Float

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
        times: Of the frames, from 0 to 1.
        seconds: From the first frame to the last; None if nobody knows.
        note: What is missing, and why.
        stored: The window with the true points, by which errors are measured, if there is any.
    """

    panel: Panel
    times: Float[np.ndarray, "T"]
    seconds: float | None
    note: str = ""
    stored: StoredWindow | None = None


@dataclass(frozen=True)
class Frames:
    """Some frames of one thing, by which answers about them are known again.

    Attributes:
        item: Number of the thing, which no other one ever gets: names may be equal.
    """

    item: int
    span: Span
    name: str = field(compare=False)


def even_times(count: int) -> Float[np.ndarray, "T"]:
    """Times of frames that are evenly spaced."""
    return np.linspace(0.0, 1.0, count)


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

    def is_tracked(self) -> bool | None:
        """Whether row n of its points is the same point in all frames; None if it has no points."""
        ...

    def show(self, span: Span) -> Shown: ...

    def observe(self, span: Span, config: Config) -> WindowInput:
        """What a model of that configuration sees of the frames.

        Raises:
            UserError: If it cannot read them.
        """
        ...
