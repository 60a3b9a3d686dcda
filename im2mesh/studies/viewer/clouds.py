"""Clouds of a scanner, for the live viewer."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Float

from im2mesh.config.schema import Config
from im2mesh.data.batch import Observation
from im2mesh.data.clouds import gather_for_network
from im2mesh.data.scans import (
    Scan,
    guess_up,
    read_frame,
    read_scan,
    rows_correspond,
    to_y_up,
)
from im2mesh.data.transforms import NormalizationFrame, bounding_frame
from im2mesh.errors import UserError
from im2mesh.files.npz import NpzError, locate_arrays
from im2mesh.generation.surface import given_clouds
from im2mesh.generation.window_input import WindowInput
from im2mesh.studies.viewer.observed import observed_frames
from im2mesh.studies.viewer.source import Shown, Span
from im2mesh.studies.viewer.telling import as_user_error
from im2mesh.visualization.panel import Panel

KEPT_SCANS = 4
"""So many scans that were asked for last are kept in memory."""


@dataclass(frozen=True, eq=False)  # two of the same files may be read at different times
class Clouds:
    """Clouds of somebody's scanner, or a single one."""

    paths: tuple[Path, ...]
    name: str
    group: str = "clouds"
    run: Path | None = None
    can_be_cut = True

    @cached_property
    def _count(self) -> int:
        return len(_scan_of(self).clouds)

    @cached_property
    def _is_tracked(self) -> bool:
        return rows_correspond(_scan_of(self))

    def count_frames(self) -> int:
        return self._count

    def is_tracked(self) -> bool | None:
        return self._is_tracked

    def show(self, span: Span) -> Shown:
        panel = Panel(self.name, [], None, dict(enumerate(self._local(span)[0])))
        return Shown(panel, self._times(span), None)

    def observe(self, span: Span, config: Config) -> WindowInput:
        _refuse_other_input(self.name, config.data.input)
        needs_rows = config.data.input_pointcloud_corresponding
        if needs_rows and span.count > 1 and not self.is_tracked():
            raise UserError(
                f"{self.name}: these weights need tracked points, and row n is not the same point "
                "in all clouds; start the viewer with others, such as --weights local_unordered, "
                "or without --weights, and it takes those that suit the clouds"
            )
        with as_user_error(self.name):
            return self._seen(span, config)

    def _seen(self, span: Span, config: Config) -> WindowInput:
        data, made = config.data, config.generation
        frames = observed_frames(self.name, data, span.count)
        clouds, frame = self._local(span)
        needs_rows = data.input_pointcloud_corresponding
        seen = gather_for_network([clouds[k] for k in frames], 0, corresponding=needs_rows)
        observed = Observation(seen, self._times(span)[frames].astype(np.float32))
        if made.surface == "extracted":
            return WindowInput(observed, None, frame)
        blend = made.blend_from_end and span.count > 1
        return WindowInput(observed, given_clouds(observed, data, blend), frame)

    def _times(self, span: Span) -> Float[np.ndarray, "T"]:
        times = _scan_of(self).times[span.start : span.start + span.count]
        return (times - times[0]) / max(float(times[-1] - times[0]), 1e-12)

    def _local(self, span: Span) -> tuple[list[Float[np.ndarray, "_ 3"]], NormalizationFrame]:
        """The clouds, upright, in the frame of reference of the first of them."""
        scan = _scan_of(self)
        axis = guess_up(scan, "auto")
        chosen = [to_y_up(x, axis) for x in scan.clouds[span.start : span.start + span.count]]
        frame = bounding_frame(chosen[0])
        return [frame.from_world(cloud).astype(np.float32) for cloud in chosen], frame


@lru_cache(KEPT_SCANS)
def _scan_of(clouds: Clouds) -> Scan:
    return read_clouds(clouds.paths)


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


def dimensions_of_points(path: Path) -> int:
    """Dimensions of the array of points of an .npz: 2 for one cloud, 3 for several; 0 without."""
    try:
        return len(locate_arrays(path)["points"].shape)
    except (NpzError, OSError, KeyError):
        return 0  # whoever reads it will say what is wrong


def _is_moving(path: Path) -> bool:
    """Whether a file is an .npz that holds the clouds of several frames."""
    return path.suffix.lower() == ".npz" and dimensions_of_points(path) == 3


def _refuse_other_input(name: str, observed: str | None) -> None:
    if observed != "pointcloud":
        raise UserError(
            f"{name}: these weights observe {observed or 'nothing'}, not clouds; start the viewer "
            "with others, such as --weights local_unordered, or without --weights"
        )
