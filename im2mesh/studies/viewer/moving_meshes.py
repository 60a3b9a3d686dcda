"""Moving meshes in a file, such as a reconstructed scan, for the live viewer."""

from dataclasses import dataclass
from pathlib import Path

from im2mesh.config.schema import Config
from im2mesh.errors import UserError
from im2mesh.generation.window_input import WindowInput
from im2mesh.studies.moving_file import read_moving_file
from im2mesh.studies.viewer.source import Shown, Span


@dataclass(frozen=True)
class MovingMeshes:
    """A reconstructed scan, or another file of moving meshes: there is no truth."""

    path: Path
    group: str
    name: str
    run: Path | None = None
    can_be_cut = False

    def count_frames(self) -> int:
        return 0  # all of them are shown

    def is_tracked(self) -> bool | None:
        return None

    def show(self, span: Span) -> Shown:
        moving = read_moving_file(self.path)
        return Shown(moving.panel, moving.times, moving.duration)

    def observe(self, span: Span, config: Config) -> WindowInput:
        raise UserError(
            f"{self.path} holds meshes, and not what a model observes; drop the clouds from which "
            "they were made"
        )
