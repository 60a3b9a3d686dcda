"""The contents of one window -> the panes of a scene."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial import KDTree

from im2mesh.errors import UserError
from im2mesh.meshing.animated_file import FRAMES_PER_SECOND
from im2mesh.meshing.mesh import Mesh
from im2mesh.meshing.rendering import Camera
from im2mesh.visualization.color_bar import ErrorScale
from im2mesh.visualization.panel import Kind, Panel
from im2mesh.visualization.sheet import NEUTRAL_COLOR, Cell, color_by_place, input_cell
from im2mesh.visualization.video.film import ELEVATION, Pane, Scene
from im2mesh.visualization.video.marks import (
    ArrowScale,
    Slice,
    arrows,
    joined,
    spread_points,
    trails,
    velocities_of,
)

VelocityAt = Callable[[Float[np.ndarray, "N 3"], int], Float[np.ndarray, "N 3"]]
"""Points of space and the number of a frame -> velocities there and then, in units a second."""

SHORTEST = 2.0
"""Seconds that a video lasts at least, unless the frames a second are given."""
NUM_ARROWS = 160
_DIAMETER = 5.0  # of the points of a cloud, in pixels
UNIT = "body lengths/s"
UNIT_WITHOUT_SECONDS = "body lengths from t = 0 to 1"
"""A body length is the longest side of the first mesh, the unit of positions in a window."""
BAR_WIDTH = 300


@dataclass(frozen=True)
class VideoSettings:
    """What is shown of each window.

    Attributes:
        turntable: Whether the camera goes around the body once.
        num_trails: Number of points that draw a trail.
        show_arrows: Whether arrows show velocities.
        scale: Colours of errors.
    """

    turntable: bool = False
    num_trails: int = 0
    show_arrows: bool = False
    scale: ErrorScale = field(default_factory=ErrorScale)


@dataclass(frozen=True)
class Clock:
    """The time of each frame.

    Attributes:
        relative: Times of the frames, from 0 to 1.
        duration: Seconds from time 0 to 1; None if nobody knows.
        fps: Frames that are shown in a second.
    """

    relative: Float[np.ndarray, "T"]
    duration: float | None
    fps: float

    @property
    def moments(self) -> Float[np.ndarray, "T"]:
        """Seconds since time 0; where nobody knows the duration, times from 0 to 1."""
        return self.relative * (1.0 if self.duration is None else self.duration)

    def labels(self) -> list[str]:
        """The time of each frame, and how much slower it is shown than it was."""
        if self.duration is None:
            return [f"t = {time:.2f}" for time in self.relative]
        slower = (len(self.relative) - 1) / self.fps / self.duration
        pace = f", {slower:.3g} times slower" if slower > 1.01 else ""
        pace = f", {1 / slower:.3g} times faster" if 0 < slower < 0.99 else pace
        return [f"{second:.2f} s{pace}" for second in self.moments]


def even_clock(num_frames: int, duration: float | None, fps: float | None) -> Clock:
    """The clock of frames that follow each other evenly.

    Args:
        duration: Seconds from the first frame to the last; None if nobody knows.
        fps: Frames that are shown in a second. None for as many as there were, or for
            `FRAMES_PER_SECOND` where nobody knows; and for a whole number of times slower where
            the clip would end before `SHORTEST` seconds.
    """
    if fps is None:
        rate = FRAMES_PER_SECOND if not duration else max(num_frames - 1, 1) / duration
        fps = rate / max(1, math.ceil(SHORTEST * rate / num_frames - 1e-9))
    return Clock(np.linspace(0.0, 1.0, num_frames), duration or None, fps)


def window_scene(
    panel: Panel,
    clock: Clock,
    settings: VideoSettings,
    velocity: VelocityAt | None = None,
) -> Scene:
    """Input, prediction, truth and error of a window, as far as the panel has them.

    With arrows, the prediction has one at points that are spread over it; they move with it. A
    pane more shows the field of velocities in a slice through the middle of the body.

    Args:
        panel: Contents; its truth may be empty.
        clock: The time of each frame.
        settings: What is shown.
        velocity: The field of velocities; None leaves out the slice.

    Raises:
        UserError: If arrows or trails are asked for and the prediction does not correspond.
    """
    shown = _Shown(panel, clock, settings)
    panes = (
        shown.input(), shown.prediction(), shown.slice(velocity), shown.truth(), shown.error()
    )  # fmt: skip
    bar, arrow_scale = None, shown.arrow_scale if settings.show_arrows else None
    if panel.errors is not None:
        bar = settings.scale.draw_bar(_bar_title(panel.errors.kind), bar_width=BAR_WIDTH)
    present = [pane for pane in panes if pane is not None]
    return Scene(panel.title, present, shown.azimuths, clock.labels(), bar, arrow_scale)


class _Shown:
    """The panes of one window."""

    def __init__(self, panel: Panel, clock: Clock, settings: VideoSettings) -> None:
        self.panel, self.clock, self.settings = panel, clock, settings
        self.count = len(clock.relative)
        self.meshes = dict(panel.prediction or {})
        turn = 360.0 * np.arange(self.count) / self.count if settings.turntable else 0.0
        self.azimuths = Camera.azimuth + turn * np.ones(self.count)

    @cached_property
    def path(self) -> Float[np.ndarray, "T V 3"]:
        """The predicted vertices over time.

        Raises:
            UserError: If they do not correspond over all frames.
        """
        found = [self.meshes[k] for k in range(self.count) if k in self.meshes]
        is_whole = len(found) == self.count and not found[0].is_empty
        if not (is_whole and all(map(found[0].shares_rows, found))):
            raise UserError(
                f"{self.panel.title}: the predicted meshes do not correspond over all frames, so "
                "there are no velocities and no trails; leave out --arrows and --trails"
            )
        return np.stack([mesh.vertices for mesh in found])

    def input(self) -> Pane | None:
        inputs = self.panel.inputs
        if not inputs:
            return None
        return Pane("input", [input_cell(inputs, k) for k in range(self.count)])

    def prediction(self) -> Pane | None:
        if not self.meshes:
            return None
        box_of = self.panel.truth[0] if self.panel.truth else self.meshes[min(self.meshes)]
        colored = color_by_place(self.meshes, box_of)
        iou = self.panel.iou or {}
        cells = [
            Cell(colored.get(k), f"IoU {iou[k]:.2f}" if k in iou else "", _DIAMETER)
            for k in range(self.count)
        ]
        return Pane("prediction", cells, self._marks(colored))

    def _marks(self, colored: Mapping[int, Mesh]) -> list[Mesh]:
        """Trails and arrows of the prediction, one mesh for each frame; none if none is wanted."""
        marks: list[list[Mesh]] = [[] for _ in range(self.count)]
        if self.settings.num_trails:
            drawn = _trails(self.path, colored[0], self._trail_rows)
            for parts, trail in zip(marks, drawn, strict=True):
                parts.append(trail)
        if self.settings.show_arrows:
            for k, parts in enumerate(marks):
                vectors = self.arrow_scale.length * self.velocities[k]
                parts.append(arrows(self.path[k, self._arrow_rows], vectors))
        return [joined(*parts) for parts in marks if parts]

    @cached_property
    def _trail_rows(self) -> Int[np.ndarray, "N"]:
        return spread_points(self.path[0], self.settings.num_trails)

    @cached_property
    def _arrow_rows(self) -> Int[np.ndarray, "N"]:
        return spread_points(self.path[0], NUM_ARROWS)

    @cached_property
    def velocities(self) -> Float[np.ndarray, "T N 3"]:
        """Of the points that have arrows."""
        return velocities_of(self.path[:, self._arrow_rows], self.clock.moments)

    @cached_property
    def arrow_scale(self) -> ArrowScale:
        speeds = np.linalg.norm(self.velocities, axis=-1).ravel()
        return ArrowScale.of(speeds, UNIT_WITHOUT_SECONDS if self.clock.duration is None else UNIT)

    def slice(self, velocity: VelocityAt | None) -> Pane | None:
        """The field in a plane, and the part of the body behind it. The plane goes through the
        middle of the first mesh and stays there; on a turntable it turns with the camera."""
        if velocity is None or not self.settings.show_arrows:
            return None
        first = self.meshes[0].vertices
        center = (first.min(axis=0) + first.max(axis=0)) / 2
        cells, marks, bodies = [], [], []
        for k in range(self.count):
            mesh = _grey(self.meshes[k])
            right, up, _ = Camera(center, 1.0, float(self.azimuths[k]), ELEVATION).axes
            plane = Slice(center, right, up)
            points = plane.points(mesh)
            vectors = self.arrow_scale.length * plane.in_plane(velocity(points, k))
            cells.append(Cell(plane.behind(mesh), even_light=True))
            marks.append(arrows(points, vectors))
            bodies.append(mesh)
        return Pane("velocity field", cells, marks, bodies)

    def truth(self) -> Pane | None:
        if not self.panel.truth:
            return None
        colored = color_by_place(dict(enumerate(self.panel.truth)), self.panel.truth[0])
        cells = [Cell(colored[k], "", _DIAMETER) for k in range(self.count)]
        return Pane("truth", cells, self._true_trails([colored[k] for k in range(self.count)]))

    def _true_trails(self, truth: Sequence[Mesh]) -> list[Mesh]:
        """Those of the true points that are, at t = 0, nearest to the points of the prediction that
        have trails; none where the truth does not correspond, which of clouds their errors tell."""
        errors = self.panel.errors
        is_tracked = len(truth[0].faces) > 0 or (errors is not None and errors.kind != "nearest")
        is_tracked = is_tracked and all(map(truth[0].shares_rows, truth))
        if not (self.settings.num_trails and self.meshes and is_tracked):
            return []
        starts = self.path[0, self._trail_rows]
        rows = np.asarray(KDTree(truth[0].vertices).query(starts)[1])
        return _trails(np.stack([mesh.vertices for mesh in truth]), truth[0], rows)

    def error(self) -> Pane | None:
        errors = self.panel.errors
        if errors is None:
            return None
        return Pane("error", [self._error_cell(errors.by_frame, k) for k in range(self.count)])

    def _error_cell(self, by_frame: Mapping[int, Float[np.ndarray, " V"]], frame: int) -> Cell:
        if frame not in by_frame or self.meshes[frame].is_empty:
            return Cell()
        distances = by_frame[frame]
        mesh = replace(self.meshes[frame], colors=self.settings.scale.colors(distances))
        return Cell(mesh, f"mean {distances.mean():.3f}", _DIAMETER, even_light=True)


def _trails(
    path: Float[np.ndarray, "T V 3"], first: Mesh, rows: Int[np.ndarray, "N"]
) -> list[Mesh]:
    """Trails of some vertices, in the colours of the first mesh: one mesh for each frame."""
    assert first.colors is not None  # of `color_by_place`
    return [trails(path[:, rows], k, first.colors[rows]) for k in range(len(path))]


def _grey(mesh: Mesh) -> Mesh:
    return replace(mesh, colors=np.full(mesh.vertices.shape, NEUTRAL_COLOR, np.uint8))


def _bar_title(kind: Kind) -> str:
    kinds = {"nearest": "to the nearest true point", "projected": "to its true point (projected)"}
    return f"error: {kinds.get(kind, 'to its true point')}, in body lengths"
