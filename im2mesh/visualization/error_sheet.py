"""One picture of predictions coloured by their error at each vertex, several methods together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from im2mesh.errors import UserError
from im2mesh.meshing.mesh import Mesh
from im2mesh.visualization.color_bar import ErrorScale
from im2mesh.visualization.panel import Panel, VertexErrors
from im2mesh.visualization.sheet import (
    NEUTRAL_COLOR,
    Cell,
    Section,
    draw_sections,
    input_cell,
    spread_frames,
)
from im2mesh.visualization.vertex_errors import missing_parts

TITLE = "distance at each vertex, in units of the longest side of the first true mesh"
MEANINGS = {
    "matched": "matched: to the true point that was nearest to the vertex at t = 0",
    "projected": "projected: as matched; vertices of the last frame first move to the true surface",
    "nearest": "nearest: to whichever true point is nearest, as the method has no correspondence",
    "missing": "missing: from a true vertex to the nearest predicted one, however sparse these are",
}


@dataclass(frozen=True)
class ErrorSheet:
    """The settings of the picture, whose cells all share one colour scale.

    Attributes:
        scale: Colours of distances.
        num_columns: Number of frames shown, evenly spread from first to last.
        cell_height: Height of one image in pixels.
        show_missing: Whether each method gets a second row, the truth coloured by `missing_parts`.
    """

    scale: ErrorScale
    num_columns: int = 6
    cell_height: int = 300
    show_missing: bool = False

    def draw(
        self, windows: Sequence[Mapping[str, Panel]], path: Path | str, origin: str = ""
    ) -> None:
        """Draw the windows below each other, in each a row per method, then the truth.

        One camera shows all rows of a window. The caption of a prediction is the mean over its
        vertices, which is the correspondence metric where they are matched.

        Args:
            windows: Per window, name of a method -> its panel, with `errors`; all panels of a
                window share its truth. The input of the first panel is drawn if it has any.
            path: Path of the picture, .png.
            origin: Description of what made the meshes, stored in the file's metadata.

        Raises:
            UserError: If a method is named "input" or "truth", as other rows are.
        """
        if not windows or not all(windows):
            raise ValueError("an error sheet needs at least one window, and a method in each")
        for name in ("input", "truth"):
            if any(name in panels for panels in windows):
                raise UserError(f"'{name}' is a row of its own; give the run another name")
        sections = [self._section(panels) for panels in windows]
        kinds = {_errors(panel).kind for panels in windows for panel in panels.values()}
        if self.show_missing:
            kinds.add("missing")
        lines = [text for kind, text in MEANINGS.items() if kind in kinds]
        header = self.scale.draw_bar(TITLE, lines)
        draw_sections(sections, path, self.cell_height, header, origin)

    def _section(self, panels: Mapping[str, Panel]) -> Section:
        first = next(iter(panels.values()))
        frames = spread_frames(first.num_frames, self.num_columns)
        times = frames / max(first.num_frames - 1, 1)
        rows = self._rows(panels)
        cells = {} if first.inputs is None else {"input": _input_row(first.inputs, frames)}
        for name, row in rows.items():
            cells[name] = [self._cell(row.at(int(k))) for k in frames]
        shown = [mesh.vertices for row in rows.values() for mesh in row.meshes.values()]
        notes = {name: row.notes(frames, self.scale.maximum) for name, row in rows.items()}
        return Section(first.title, times, cells, np.concatenate(shown), notes)

    def _rows(self, panels: Mapping[str, Panel]) -> "dict[str, _Row]":
        rows = {}
        for name, panel in panels.items():
            prediction = panel.prediction or {}
            rows[name] = _Row(prediction, _errors(panel))
            if self.show_missing:
                missing = missing_parts(panel.truth, prediction)
                rows[f"missing: {name}"] = _Row(dict(enumerate(panel.truth)), missing)
        truth = next(iter(panels.values())).truth
        return {**rows, "truth": _Row(dict(enumerate(truth)))}

    def _cell(self, view: "_View | None") -> Cell:
        if view is None:
            return Cell()
        if view.mesh.is_empty:
            return Cell(caption="empty")
        if view.distances is None:
            grey = np.full(view.mesh.vertices.shape, NEUTRAL_COLOR, np.uint8)
            return Cell(replace(view.mesh, colors=grey))
        mesh = replace(view.mesh, colors=self.scale.colors(view.distances))
        caption = f"mean {view.distances.mean():.3f}" if view.is_whole_prediction else ""
        diameter = self.cell_height / 50  # of the points of a point set
        return Cell(mesh, caption, diameter, even_light=True)


@dataclass(frozen=True)
class _View:
    """A mesh at one time, with the distances that colour it; without distances it is grey.

    Only predictions have a mean in their caption. A mean over true vertices would mislead: they lie
    dense in hands and face, and a predicted vertex near a hand need not belong to it.
    """

    mesh: Mesh
    distances: Float[np.ndarray, " V"] | None = None
    is_whole_prediction: bool = False


@dataclass(frozen=True)
class _Row:
    """A mesh over time, with its errors if it has any."""

    meshes: Mapping[int, Mesh]
    errors: VertexErrors | None = None

    @property
    def is_prediction(self) -> bool:
        return self.errors is not None and self.errors.kind != "missing"

    def at(self, frame: int) -> _View | None:
        """The mesh of a frame; None where nothing was predicted."""
        if self.errors is None:
            return _View(self.meshes[frame])
        if frame not in self.errors.by_frame:
            return None
        return _View(self.meshes[frame], self.errors.by_frame[frame], self.is_prediction)

    def notes(self, frames: Int[np.ndarray, "K"], maximum: float) -> list[str]:
        """The kind of error, and the share of the shown vertices that lie beyond the scale."""
        if self.errors is None or not self.is_prediction:
            return []
        shown = [self.errors.by_frame[int(k)] for k in frames if int(k) in self.errors.by_frame]
        distances = np.concatenate([np.zeros(0), *shown])
        if len(distances) == 0:
            return [self.errors.kind]
        return [self.errors.kind, f"{(distances > maximum).mean():.0%} above {maximum:g}"]


def _input_row(inputs: Mapping[int, np.ndarray], frames: Int[np.ndarray, "K"]) -> list[Cell]:
    return [input_cell(inputs, int(k)) for k in frames]


def _errors(panel: Panel) -> VertexErrors:
    if panel.errors is None:
        raise ValueError(f"{panel.title}: the panel has no errors to be coloured by")
    return panel.errors
