"""Clips of a data set, and windows that a run has generated, for the live viewer."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from im2mesh.config.schema import Config
from im2mesh.data.clip_files import frame_numbers
from im2mesh.data.frame_rate import window_seconds
from im2mesh.data.frames import StoredWindow
from im2mesh.data.layout import Window
from im2mesh.evaluation.predictions import PredictedMeshes
from im2mesh.evaluation.records import Record
from im2mesh.generation.inputs import find_observation, read_input
from im2mesh.generation.window_input import WindowInput
from im2mesh.studies.moving_file import read_moving_file
from im2mesh.studies.viewer.source import Shown, Span
from im2mesh.visualization.contact_sheet import read_panel
from im2mesh.visualization.vertex_errors import vertex_errors


@dataclass(frozen=True)
class Clip:
    """A clip of a data set."""

    root: Path
    category: str
    clip: str
    run: Path | None = None
    can_be_cut = True

    @property
    def group(self) -> str:
        return f"data set {self.root}"

    @property
    def name(self) -> str:
        return f"{self.category}/{self.clip}"

    def count_frames(self) -> int:
        return len(frame_numbers(self.root, self.category, self.clip))

    def show(self, span: Span) -> Shown:
        stored = self._stored(span)
        seconds = window_seconds(self.root, stored.window)
        return Shown(read_panel(stored), seconds, stored=stored)

    def observe(self, span: Span, config: Config) -> WindowInput:
        return _observe(self._stored(span), config)

    def _stored(self, span: Span) -> StoredWindow:
        return StoredWindow(self.root, Window(self.category, self.clip, span.start, span.count))


@dataclass(frozen=True)
class GeneratedWindow:
    """A window that a run has generated.

    Attributes:
        config: Configuration with which it was made.
        records: Of the evaluation of the split, if it was evaluated.
    """

    run: Path
    split: str
    window: Window
    config: Config
    predictions: PredictedMeshes
    records: Sequence[Record] = ()
    can_be_cut = False

    @property
    def group(self) -> str:
        return f"run {self.run}, split {self.split}"

    @property
    def name(self) -> str:
        return str(self.window)

    def count_frames(self) -> int:
        return self.window.num_frames

    def show(self, span: Span) -> Shown:
        root = Path(self.config.data.root)
        if not (root / self.window.category / self.window.clip).is_dir():
            moving = read_moving_file(self.predictions.find(self.window), up="y")
            note = f"The truth is not shown: there is no such clip in {root}."
            return Shown(moving.panel, moving.duration, note)
        stored, measured = StoredWindow(root, self.window), self.config.evaluation
        made = self.predictions.read(stored)
        seen = find_observation(self.config, self.window)
        panel = read_panel(stored, made, seen, self.records)
        errors = vertex_errors(
            stored, made, measured.correspondence, measured.project_to_final_mesh
        )
        seconds = window_seconds(root, self.window)
        return Shown(replace(panel, errors=errors), seconds, stored=stored)

    def observe(self, span: Span, config: Config) -> WindowInput:
        return _observe(StoredWindow(self.config.data.root, self.window), config)


def _observe(stored: StoredWindow, config: Config) -> WindowInput:
    """What a model sees of a window of a data set that need not be the one it was trained on."""
    changes = {"root": str(stored.root), "num_frames": stored.window.num_frames}
    data = config.data.model_copy(update=changes)
    return read_input(config.model_copy(update={"data": data}), stored.window)
