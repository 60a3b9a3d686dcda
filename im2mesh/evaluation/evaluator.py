"""Predicted meshes and stored truth -> `Record`s, one number each. Free of torch."""

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float

from im2mesh.data.frames import StoredWindow, SurfacePoints
from im2mesh.data.layout import Window
from im2mesh.errors import UserError
from im2mesh.evaluation.measured_frame import MeasuredFrame
from im2mesh.evaluation.metric_info import METRICS
from im2mesh.evaluation.metrics import correspondence_l2
from im2mesh.evaluation.predictions import Prediction
from im2mesh.evaluation.records import Record
from im2mesh.meshing.mesh import Mesh
from im2mesh.meshing.placement import tell_misplaced


@dataclass(frozen=True)
class Evaluator:
    """Compares predictions with the labelled points and surface points on disk.

    IoU needs points_seq and is left out for clips without that folder; normal consistency needs
    true normals; the correspondence error needs one topology for all frames of a prediction.

    Attributes:
        root: Data folder.
        num_samples: Number of points drawn on each predicted mesh for the surface distances.
        project_to_final_mesh: See `correspondence_errors`.
        correspondence: Whether row i of the true points is the same particle in all frames.
        frames: Frames to measure: "all", those "between" the first and the last, or the "last".
        seed: Seed of the random samples. Those of a window follow from the seed and the window's
            name alone, so neither the order of windows nor the number of workers matters.
    """

    root: Path | str
    num_samples: int = 100_000
    project_to_final_mesh: bool = False
    correspondence: bool = True
    frames: Literal["all", "between", "last"] = "all"
    seed: int = 0

    def evaluate_window(self, window: Window, prediction: Prediction) -> list[Record]:
        """Evaluate one window, given its meshes in the window's coordinates.

        Raises:
            UserError: If the prediction lacks the frames to measure, a file is broken, or a number
                is not finite.
        """
        meshes, measured = prediction.meshes, self._measured_frames(window, prediction)
        stored = StoredWindow(self.root, window)
        truth = {k: stored.surface_points(k) for k in meshes}
        _tell_misplaced(window, meshes, truth)
        records = []
        for k in measured:
            frame = self._measured_frame(stored, k, meshes[k], truth[k])
            records += [
                Record.of(window, k, metric.key, value)
                for metric in METRICS.values()
                if metric.of_frame and (value := attrgetter(metric.of_frame)(frame)) is not None
            ]
        if self.correspondence and prediction.corresponds and len(meshes) > 1:
            errors = self._correspondence(window, meshes, truth)
            records += [record for record in errors if record.frame in measured]
        _refuse_not_finite(records)
        return records

    def _measured_frames(self, window: Window, prediction: Prediction) -> list[int]:
        last = window.num_frames - 1
        needs_last = self.project_to_final_mesh or self.frames == "last"
        if needs_last and last not in prediction.meshes:
            raise UserError(
                f"sequence {window}: no mesh of the last frame, which evaluation.frames or "
                "evaluation.project_to_final_mesh needs; let generation.times end at 1"
            )
        chosen = {
            "all": list(prediction.meshes),
            "between": [k for k in prediction.meshes if 0 < k < last],
            "last": [last],
        }[self.frames]
        if not chosen:
            raise UserError(
                f"sequence {window}: no mesh between the first and the last frame, which "
                "evaluation.frames 'between' needs; set it to all, or add times to generation.times"
            )
        return chosen

    def _measured_frame(
        self, stored: StoredWindow, frame: int, mesh: Mesh, truth: SurfacePoints
    ) -> MeasuredFrame:
        labelled = stored.labelled_points(frame) if stored.has_labels() else None
        rng = np.random.default_rng([self.seed, _window_seed(stored.window), frame])
        return MeasuredFrame(mesh, truth, labelled, self.num_samples, rng)

    def _correspondence(
        self, window: Window, meshes: dict[int, Mesh], truth: dict[int, SurfacePoints]
    ) -> list[Record]:
        errors = correspondence_l2(
            np.stack([mesh.vertices for mesh in meshes.values()]),
            _stack_points(window, list(truth.values())),
            self.project_to_final_mesh,
        )
        return [
            Record.of(window, k, "correspondence_l2", float(error))
            for k, error in zip(meshes, errors, strict=True)
        ]


def _tell_misplaced(
    window: Window, meshes: dict[int, Mesh], truth: dict[int, SurfacePoints]
) -> None:
    """Warn of the first frame whose mesh lies elsewhere or has another size."""
    advice = (
        "the true surface; is its file in other units or coordinates? --coordinates says which: "
        "'window' is the frame of the window's first mesh, 'world' is metres, as in the data, so "
        "divide millimetres by 1000"
    )
    for k, mesh in meshes.items():
        what = f"sequence {window}, frame {k}: the predicted mesh"
        if tell_misplaced(what, mesh.vertices, truth[k].points, advice):
            return


def _stack_points(window: Window, truth: Sequence[SurfacePoints]) -> Float[np.ndarray, "T M 3"]:
    counts = sorted({len(surface.points) for surface in truth})
    if len(counts) > 1:
        raise UserError(
            f"sequence {window}: its frames have from {counts[0]} to {counts[-1]} surface points; "
            "rows of pcl_seq must correspond over all frames, or set evaluation.correspondence to "
            "false"
        )
    return np.stack([surface.points for surface in truth])


def _refuse_not_finite(records: Sequence[Record]) -> None:
    wrong = [record for record in records if not math.isfinite(record.value)]
    if wrong:
        r = wrong[0]
        raise UserError(
            f"sequence {r.window}, frame {r.frame}: {r.metric} is {r.value} (and "
            f"{len(wrong) - 1} more numbers of the window are not finite); its meshes or true "
            "points have positions far off the body: generate the meshes or make the data again"
        )


def _window_seed(window: Window) -> int:
    """Seed of a window. It keeps its old text instead of `Window.id`, so that numbers stay."""
    return zlib.crc32(f"{window.category}/{window.clip}/{window.start}".encode())
