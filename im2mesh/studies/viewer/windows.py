"""Clips of a data set, and windows that a run has generated, for the live viewer."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from im2mesh.config.schema import Config
from im2mesh.data.clip_files import frame_numbers
from im2mesh.data.frame_rate import window_seconds
from im2mesh.data.frames import StoredWindow
from im2mesh.data.layout import CLOUD_FOLDER, Window
from im2mesh.data.scans import rows_look_tracked
from im2mesh.evaluation.predictions import PredictedMeshes
from im2mesh.evaluation.records import Record
from im2mesh.generation.inputs import find_observation, read_input
from im2mesh.generation.window_input import WindowInput
from im2mesh.studies.moving_file import read_moving_file
from im2mesh.studies.viewer.observed import observed_frames, of_length
from im2mesh.studies.viewer.source import Shown, Span, even_times
from im2mesh.visualization.contact_sheet import read_panel
from im2mesh.visualization.vertex_errors import vertex_errors

ROW_FRAMES = 5
"""Of a clip, in which is looked whether rows correspond."""


@dataclass(frozen=True)
class DataClip:
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

    def is_tracked(self) -> bool | None:
        return self._is_tracked

    @cached_property
    def _is_tracked(self) -> bool:
        """As it looks: clouds of one size may have been drawn anew in every frame."""
        count = self.count_frames()
        stored = self._stored(Span(0, count))
        if len({stored.count_points(k, CLOUD_FOLDER) for k in range(count)}) > 1:
            return False
        clouds = [stored.surface_points(k).points for k in range(min(count, ROW_FRAMES))]
        return rows_look_tracked(clouds)

    def show(self, span: Span) -> Shown:
        stored = self._stored(span)
        seconds = window_seconds(self.root, stored.window)
        return Shown(read_panel(stored), even_times(span.count), seconds, stored=stored)

    def observe(self, span: Span, config: Config) -> WindowInput:
        return _observe(self.name, self._stored(span), config)

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

    def is_tracked(self) -> bool | None:
        return self.config.evaluation.correspondence

    def show(self, span: Span) -> Shown:
        root = Path(self.config.data.root)
        if not (root / self.window.category / self.window.clip).is_dir():
            moving = read_moving_file(self.predictions.find(self.window), up="y")
            note = f"The truth is not shown: there is no such clip in {root}."
            return Shown(moving.panel, moving.times, moving.duration, note)
        stored, measured = StoredWindow(root, self.window), self.config.evaluation
        made = self.predictions.read(stored)
        seen = find_observation(self.config, self.window)
        panel = read_panel(stored, made, seen, self.records)
        errors = vertex_errors(
            stored, made, measured.correspondence, measured.project_to_final_mesh
        )
        seconds = window_seconds(root, self.window)
        times = even_times(self.window.num_frames)
        return Shown(replace(panel, errors=errors), times, seconds, stored=stored)

    def observe(self, span: Span, config: Config) -> WindowInput:
        return _observe(self.name, StoredWindow(self.config.data.root, self.window), config)


def _observe(name: str, stored: StoredWindow, config: Config) -> WindowInput:
    """What a model sees of a window of a data set that need not be the one it was trained on."""
    count = stored.window.num_frames
    observed_frames(name, config.data, count)  # refuses too few
    data = of_length(config.data, count).model_copy(update={"root": str(stored.root)})
    return read_input(config.model_copy(update={"data": data}), stored.window)
