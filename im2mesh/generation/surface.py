"""Where a surface comes from: extracted from an occupancy function, or given by the data."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from torch import Tensor

from im2mesh.config.schema import DataConfig, GenerationConfig
from im2mesh.data.batch import Observation
from im2mesh.meshing.extraction import extract_surface
from im2mesh.meshing.mesh import Mesh
from im2mesh.meshing.pieces import without_small_pieces
from im2mesh.meshing.refinement import refine_vertices
from im2mesh.meshing.simplification import simplify_mesh
from im2mesh.models.sequence_model import SequenceModel

SurfaceOfCloud = Callable[[Float[np.ndarray, "N 3"]], Mesh]
"""One cloud of any points -> its surface, both in units of the first frame."""


@dataclass(frozen=True)
class GivenSurface:
    """The surface of the first frame and, for a blend, that of the last with the same faces.

    Positions are in the frame of the window's first mesh. A surface without faces is a cloud.

    Raises:
        ValueError: If the two do not correspond.
    """

    start: Mesh
    end: Mesh | None = None

    def __post_init__(self) -> None:
        if self.end is None:
            return
        if not self.end.shares_rows(self.start):
            raise ValueError(
                f"the first surface has {len(self.start.vertices)} vertices and the last "
                f"{len(self.end.vertices)}; to blend both, vertex i must be the same point of the "
                "body and the faces equal; set generation.blend_from_end to false"
            )


def extract_mesh(logits: Callable[[Tensor], Tensor], config: GenerationConfig) -> Mesh:
    """Extract the level set of an occupancy function; clean, simplify and refine it as configured.

    Args:
        logits: Function from points [N, 3] to occupancy logits [N].
    """
    surface = extract_surface(
        logits,
        threshold=config.threshold,
        resolution=config.resolution,
        upsampling_steps=config.upsampling_steps,
        padding=config.padding,
        batch_points=points_at_once(config),
    )
    whole = without_small_pieces(Mesh(surface.vertices, surface.faces), config.smallest_piece)
    vertices, faces = whole.vertices, whole.faces
    if config.simplify_faces is not None and len(faces):
        vertices, faces = simplify_mesh(vertices, faces, config.simplify_faces)
    if config.refinement_steps and len(faces):
        vertices = refine_vertices(
            logits,
            vertices,
            threshold=config.threshold,
            voxel_size=surface.voxel_size,
            num_steps=config.refinement_steps,
            batch_points=points_at_once(config),
        )
    return Mesh(vertices, faces)


def points_at_once(config: GenerationConfig) -> int:
    """Points that are asked for at once; the networks get them once for each copy."""
    return max(1, config.batch_points // config.copies)


def given_clouds(observation: Observation, data: DataConfig, with_end: bool) -> GivenSurface:
    """Take the first observed cloud as the surface, and with `with_end` the last one, too.

    Raises:
        ValueError: If no cloud is observed, or the last does not correspond or is not at t = 1.
    """
    if observation.inputs.ndim != 3 or observation.inputs.size == 0:
        raise ValueError("generation.surface is cloud, but no cloud is observed; set it to mesh")
    if with_end and not (data.input_pointcloud_corresponding and observation.times[-1] == 1):
        raise ValueError(
            "blending the first and the last cloud needs a cloud at t = 1 whose rows correspond to "
            "the first; set generation.blend_from_end to false"
        )
    first, last = Mesh.of_points(observation.inputs[0]), Mesh.of_points(observation.inputs[-1])
    return GivenSurface(first, last if with_end else None)


def check_generation(model: SequenceModel, config: GenerationConfig) -> None:
    """Refuse meshes that the model cannot give, and settings that would have no effect.

    Raises:
        ValueError: If so; the message names the key and what to change.
    """
    is_given = config.surface != "extracted"
    if is_given and "motion" not in model.answers:
        raise ValueError(
            f"generation.surface is {config.surface}, but {model.method} cannot carry one; "
            "set it to extracted"
        )
    if not is_given and model.answers.isdisjoint({"occupancy", "point set"}):
        raise ValueError(
            "generation.surface is extracted, but the model has no occupancy network; "
            "set it to mesh or cloud"
        )
    if config.blend_from_end and not is_given:
        raise ValueError("generation.blend_from_end needs generation.surface mesh or cloud")
    if config.blend_from_end and "motion back" not in model.answers:
        raise ValueError(
            f"{model.method} cannot carry a surface back; set generation.blend_from_end to false"
        )
    if config.times is not None and config.num_steps is not None:
        raise ValueError(
            "generation.times and generation.num_steps exclude each other; set one of them to null"
        )
    is_extracted = not is_given and "point set" not in model.answers
    if not is_extracted and (
        config.smallest_piece or config.simplify_faces or config.refinement_steps
    ):
        raise ValueError(
            "generation.smallest_piece, simplify_faces and refinement_steps are for extracted "
            "surfaces; nothing is extracted here, so set them to 0, null and 0"
        )
    if config.copies > 1 and "point set" in model.answers:
        raise ValueError(
            "generation.copies averages what is said of the same points, and those of a point set "
            "are others in each copy; set it to 1"
        )
    if config.carry_tolerance is not None and "motion" not in model.answers:
        raise ValueError(
            f"generation.carry_tolerance is for surfaces that are carried, and {model.method} "
            "carries none; set it to null"
        )
    if config.fit_iterations and ("motion" not in model.answers or "point set" in model.answers):
        raise ValueError(
            f"generation.fit_iterations is for surfaces that are carried, and {model.method} "
            "carries none; set it to 0"
        )
    if config.normals and not (is_extracted or config.surface == "mesh"):
        raise ValueError("points without faces have no normals; set generation.normals to false")
