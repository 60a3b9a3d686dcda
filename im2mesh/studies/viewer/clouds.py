"""Clouds of a scanner, for the live viewer."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Float

from im2mesh.config.schema import Config
from im2mesh.data.batch import Observation
from im2mesh.data.clouds import gather_clouds
from im2mesh.data.scans import (
    MOST_POINTS,
    Scan,
    guess_up,
    read_frame,
    read_scan,
    rows_correspond,
    to_y_up,
)
from im2mesh.data.transforms import NormalizationFrame, bounding_frame
from im2mesh.errors import UserError
from im2mesh.files.npz import NpzError, locate_arrays, read_arrays
from im2mesh.generation.surface import given_clouds
from im2mesh.generation.window_input import WindowInput
from im2mesh.studies.viewer.source import Shown, Span
from im2mesh.visualization.panel import Panel


@dataclass(frozen=True)
class Clouds:
    """Clouds of somebody's scanner, or a single one."""

    paths: tuple[Path, ...]
    name: str
    group: str = "clouds"
    run: Path | None = None
    can_be_cut = True

    @cached_property
    def scan(self) -> Scan:
        return read_clouds(self.paths)

    @cached_property
    def upright(self) -> list[Float[np.ndarray, "_ 3"]]:
        axis = guess_up(self.scan, "auto")
        return [to_y_up(cloud, axis) for cloud in self.scan.clouds]

    def count_frames(self) -> int:
        return len(self.scan.clouds)

    def show(self, span: Span) -> Shown:
        panel = Panel(self.name, [], None, dict(enumerate(self._local(span)[0])))
        return Shown(panel, None)

    def observe(self, span: Span, config: Config) -> WindowInput:
        data = config.data
        _refuse_other_input(self.name, data.input)
        needs_rows = data.input_pointcloud_corresponding
        if needs_rows and span.count > 1 and not rows_correspond(self.scan):
            raise UserError(
                f"{self.name}: these weights need tracked points, and row n is not the same point "
                "in all clouds; start the viewer with others, such as --weights local_unordered"
            )
        clouds, frame = self._local(span)
        clouds = gather_clouds(clouds, 0, corresponding=needs_rows, min_points=1)
        if clouds.shape[1] > MOST_POINTS:
            rng = np.random.default_rng(0)
            clouds = clouds[:, rng.choice(clouds.shape[1], MOST_POINTS, replace=False)]
        times = self.scan.times[span.start : span.start + span.count]
        relative = (times - times[0]) / max(float(times[-1] - times[0]), 1e-12)
        seen = Observation(clouds.astype(np.float32), relative.astype(np.float32))
        is_given = config.generation.surface != "extracted"
        return WindowInput(seen, given_clouds(seen, data, False) if is_given else None, frame)

    def _local(self, span: Span) -> tuple[list[Float[np.ndarray, "_ 3"]], NormalizationFrame]:
        """The clouds in the frame of reference of the first of them."""
        chosen = self.upright[span.start : span.start + span.count]
        frame = bounding_frame(chosen[0])
        return [frame.from_world(cloud).astype(np.float32) for cloud in chosen], frame


def read_clouds(paths: Sequence[Path]) -> Scan:
    """Read a scan as `read_scan`, or a single cloud.

    Raises:
        UserError: If there is nothing to read, or it is no cloud.
    """
    if len(paths) > 1 or paths[0].is_dir() or _is_moving(paths[0]):
        return read_scan(paths)
    if not paths[0].is_file():
        raise UserError(f"{paths[0]} does not exist; give a cloud, or a folder of clouds")
    cloud = read_frame(paths[0])
    cloud = cloud[np.isfinite(cloud).all(1)]
    if not len(cloud) or not np.ptp(cloud, axis=0).max() > 0:
        raise UserError(f"{paths[0]} holds no points that differ; give the points of a body")
    return Scan((cloud,), np.zeros(1), (str(paths[0]),))


def holds_clouds(path: Path) -> bool:
    """Whether a file is an .npz with clouds, and not one of moving meshes."""
    try:
        return "points" in locate_arrays(path)
    except (NpzError, OSError):
        return False  # whoever reads it will say what is wrong


def _is_moving(path: Path) -> bool:
    """Whether a file is an .npz that holds the clouds of several frames."""
    if path.suffix.lower() != ".npz" or not holds_clouds(path):
        return False
    try:
        return read_arrays(path, ["points"])["points"].ndim == 3
    except (NpzError, OSError):
        return False


def _refuse_other_input(name: str, observed: str | None) -> None:
    if observed != "pointcloud":
        raise UserError(
            f"{name}: these weights observe {observed or 'nothing'}, not clouds; start the viewer "
            "with others, such as --weights local"
        )
