"""Transfer of motion: the motion of one clip on another body, compared with the truth.

A velocity field carries a body from where it stands at t = 0. So the other body is seen in the pose
in which the motion begins, and the truth is that body moving in the manner of the first.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float
from scipy.spatial import KDTree

from im2mesh.config.schema import Config
from im2mesh.data.dataset import build_windows
from im2mesh.data.layout import Window
from im2mesh.errors import UserError
from im2mesh.evaluation.evaluator import Evaluator
from im2mesh.evaluation.predictions import Prediction
from im2mesh.evaluation.summary import with_last_frame
from im2mesh.meshing.mesh import Mesh
from im2mesh.meshing.mesh_sequence import MeshSequence
from im2mesh.studies.generative.pair import Pair
from im2mesh.studies.generative.truth import TrueBody
from im2mesh.studies.motion.solids import volume
from im2mesh.synthesis.limbs import limb_lengths
from im2mesh.synthesis.splits import TRANSFERS, Clip

HOW_TO_MAKE = "python scripts/make_bodies.py data/bodies-1-transfers --benchmark transfers"


def find_pairs(config: Config) -> list[Pair]:
    """The windows of split `transfers`, each with the window whose manner it has.

    Raises:
        UserError: If the data set has no such split, or lacks the clip of a motion; or if not all
            frames would be made and measured.
    """
    _refuse_other_frames(config)
    stride = config.data.eval_stride
    known = {window.place: window for window in build_windows(config, "test", stride=stride)}
    pairs = []
    for body in build_windows(config, TRANSFERS, stride=stride):
        motion = known.get(replace(body, clip=_whose_manner(body.clip)).place)
        if motion is None:
            raise UserError(
                f"clip {body.clip} of split {TRANSFERS} has the manner of "
                f"{_whose_manner(body.clip)}, which split test lacks; make the data again: "
                f"{HOW_TO_MAKE}"
            )
        pairs.append(Pair(motion, body))
    return pairs


def _whose_manner(name: str) -> str:
    """The clip whose manner another clip has."""
    try:
        clip = Clip.named(name)
    except ValueError as error:
        raise UserError(f"split {TRANSFERS}: {error}; make the data: {HOW_TO_MAKE}") from error
    if clip.manner_of is None:
        raise UserError(
            f"clip {name} of split {TRANSFERS} has the manner of no other body; make the data "
            f"again: {HOW_TO_MAKE}"
        )
    return Clip(clip.manner_of, clip.motion).name


def _refuse_other_frames(config: Config) -> None:
    """Refuse settings with which meshes and true bodies would be of different times."""
    changed = {
        "generation.times": config.generation.times is not None,
        "generation.num_steps": config.generation.num_steps is not None,
        "evaluation.frames": config.evaluation.frames != "all",
    }
    for key, is_changed in changed.items():
        if is_changed:
            way_out = "all" if key == "evaluation.frames" else "null"
            raise UserError(
                f"{key} is set, but transfers are measured in every frame of a window; set it to "
                f"{way_out}"
            )


def compare_with_truth(
    evaluator: Evaluator, window: Window, moving: MeshSequence, truth: TrueBody
) -> dict[str, float]:
    """Compare a moving body with what is stored of a window, and with the true body: metrics."""
    prediction = Prediction(dict(enumerate(moving.meshes)), corresponds=True)
    values: dict[str, list[float]] = defaultdict(list)
    for record in with_last_frame(evaluator.evaluate_window(window, prediction)):
        values[record.metric].append(record.value)
    return {
        **{metric: float(np.mean(found)) for metric, found in values.items()},
        "volume_error": volume_error(moving.meshes, truth),
        "limb_error": limb_error(moving.vertices, truth),
    }


def volume_error(meshes: Sequence[Mesh], truth: TrueBody) -> float:
    """Relative difference of the volume from the true one, mean over frames."""
    pairs = zip(meshes, truth.meshes, strict=True)
    return float(np.mean([abs(volume(mesh) / volume(true) - 1) for mesh, true in pairs]))


def limb_error(vertices: Float[np.ndarray, "T V 3"], truth: TrueBody) -> float:
    """Relative difference of the lengths of limbs from the true ones, mean over limbs and frames.

    The points that tell a limb's length are the vertices nearest, at t = 0, to those of the true
    body; they are followed. Without any, nothing of the limbs is there: 1.
    """
    if not vertices.shape[1]:
        return 1.0
    true_points = truth.vertices[:, truth.limbs]
    rows = KDTree(vertices[0]).query(true_points[0])[1]
    return float(np.abs(limb_lengths(vertices[:, rows]) / limb_lengths(true_points) - 1).mean())
