"""Predicted meshes and stored truth -> Records, one number each. Free of torch."""

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float

from im2mesh.data.fields import SurfacePoints, read_labelled_points, read_surface_points
from im2mesh.data.sequences import POINTS_FOLDER, Window
from im2mesh.errors import UserError
from im2mesh.meshing.containment import points_inside_mesh
from im2mesh.meshing.io import Mesh
from im2mesh.metrics import correspondence_l2, iou, sample_surface, surface_distances
from im2mesh.predictions import Prediction


@dataclass(frozen=True)
class Record:
    """One measured number.

    Attributes:
        category, clip, start: The window (see `Window`).
        frame: 0 for the window's first.
        metric: iou, accuracy, completeness, chamfer_l1, chamfer_l2, normal_consistency,
            correspondence_l2, or empty (1 where the prediction has no surface, else 0).
        value: Lengths are in units of the longest side of the first true mesh.
    """

    category: str
    clip: str
    start: int
    frame: int
    metric: str
    value: float


@dataclass(frozen=True)
class Evaluator:
    """Compares predictions with the labelled points and surface points on disk.

    IoU needs points_seq and is left out for clips without that folder; normal consistency needs
    true normals; the correspondence error needs one topology for all frames of a prediction.

    Attributes:
        root: Data folder.
        num_samples: Samples on each predicted mesh for the surface distances.
        project_to_final_mesh: See `correspondence_l2`.
        correspondence: Whether rows of the true points correspond over the frames of a clip.
        frames: Measure all frames, those "between" the first and the last, or the "last" alone.
        seed: Root of the random samples; a window's samples follow from the seed and the
            window's name alone, so neither order nor number of workers matters.
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
        truth = {k: read_surface_points(self.root, window, k) for k in meshes}
        records = []
        for k in measured:
            mesh = meshes[k]
            rng = np.random.default_rng([self.seed, zlib.crc32(_identity(window)), k])
            values = self._frame_values(window, k, mesh, truth[k], rng)
            records += [_record(window, k, name, value) for name, value in values.items()]
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
            raise UserError(f"sequence {window}: no mesh between the first and the last frame")
        return chosen

    def _frame_values(
        self, window: Window, frame: int, mesh: Mesh, truth: SurfacePoints, rng: np.random.Generator
    ) -> dict[str, float]:
        is_cloud = len(mesh.faces) == 0 and not mesh.is_empty
        values = {"empty": float(mesh.is_empty)}
        if not is_cloud and _has_labels(self.root, window):
            labelled = read_labelled_points(self.root, window, frame)
            inside = points_inside_mesh(labelled.points, mesh.vertices, mesh.faces)
            values["iou"] = iou(inside, labelled.occupancy)
        samples, normals = (
            (mesh.vertices, None)
            if is_cloud
            else sample_surface(mesh.vertices, mesh.faces, self.num_samples, rng)
        )
        distances = surface_distances(samples, truth.points, normals, truth.normals)
        values["accuracy"] = distances.accuracy
        values["completeness"] = distances.completeness
        values["chamfer_l1"] = distances.chamfer_l1
        values["chamfer_l2"] = distances.chamfer_l2
        if distances.normal_consistency is not None:
            values["normal_consistency"] = distances.normal_consistency
        return values

    def _correspondence(
        self, window: Window, meshes: dict[int, Mesh], truth: dict[int, SurfacePoints]
    ) -> list[Record]:
        errors = correspondence_l2(
            np.stack([mesh.vertices for mesh in meshes.values()]),
            _stack_points(window, list(truth.values())),
            self.project_to_final_mesh,
        )
        return [
            _record(window, k, "correspondence_l2", float(error))
            for k, error in zip(meshes, errors, strict=True)
        ]


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
            f"sequence {r.clip}/{r.start:05d}, frame {r.frame}: {r.metric} is {r.value} (and "
            f"{len(wrong) - 1} more numbers of the window are not finite); its meshes or true "
            "points have positions that are far off: look at them, generate or make them again"
        )


def _has_labels(root: Path | str, window: Window) -> bool:
    return (Path(root) / window.category / window.clip / POINTS_FOLDER).is_dir()


def _identity(window: Window) -> bytes:
    return f"{window.category}/{window.clip}/{window.start}".encode()


def _record(window: Window, frame: int, metric: str, value: float) -> Record:
    return Record(window.category, window.clip, window.start, frame, metric, value)
