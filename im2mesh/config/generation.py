"""The keys of section `generation`: how meshes are made with a trained model."""

from typing import Annotated, Literal

from pydantic import Field

from im2mesh.config.effects import Affects
from im2mesh.config.sections import Section
from im2mesh.config.values import (
    Fraction,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Probability,
    Times,
)

NOTHING, MESHES = Affects.NOTHING, Affects.MESHES


class GenerationConfig(Section):
    surface: Annotated[Literal["extracted", "mesh", "cloud"], MESHES] = "extracted"
    """Surface that is carried through time: extracted from the occupancy network, or given by the
    data, as the mesh (mesh_seq) or the observed cloud of the first frame."""
    blend_from_end: Annotated[bool, MESHES] = False
    """Also carry the given surface of the last frame back, and blend from the first to the last."""
    threshold: Annotated[Probability, MESHES] = 0.3
    """Occupancy probability on the extracted surface."""
    resolution: Annotated[PositiveInt, MESHES] = 32
    """Cells per axis of the coarse grid from which the surface is extracted."""
    upsampling_steps: Annotated[NonNegativeInt, MESHES] = 2
    """Doublings of the grid near the surface; resolution 32 and 2 steps give 129 points an axis."""
    padding: Annotated[NonNegativeFloat, MESHES] = 0.1
    """Padding of the box in which the surface is extracted: its side is 1 + padding."""
    copies: Annotated[PositiveInt, MESHES] = 1
    """Average over so many copies: clouds turned about the vertical; 2 of images, one mirrored."""
    num_steps: Annotated[Annotated[int, Field(ge=2)] | None, MESHES] = None
    """Number of meshes to write, evenly spaced over the window; null for one per frame."""
    times: Annotated[Times | None, MESHES] = None
    """Times of the meshes to write, increasing from 0 to at most 1; null for even spacing."""
    smallest_piece: Annotated[Fraction, MESHES] = 0.0
    """Leave out pieces of the extracted surface that enclose less than this part of the largest:
    specks beside a body, hollows inside it; 0 keeps all."""
    simplify_faces: Annotated[Annotated[int, Field(ge=4)] | None, MESHES] = None
    """Number of faces to which the extracted mesh is reduced; null to keep all."""
    carry_tolerance: Annotated[PositiveFloat | None, MESHES] = None
    """On a CPU, carry only a part of the vertices and interpolate the others, so that these are off
    by at most this, in units of the first frame, but for some in a thousand; null carries all."""
    refinement_steps: Annotated[NonNegativeInt, MESHES] = 0
    """Number of Newton steps that move the extracted vertices onto the level set."""
    fit_iterations: Annotated[NonNegativeInt, MESHES] = 0
    """Steps that fit the carried surface to the observed clouds (docs/scans.md); 160 are enough."""
    normals: Annotated[bool, MESHES] = False
    """Write vertex normals for every frame."""
    batch_points: Annotated[PositiveInt, NOTHING] = 100_000
    """Largest number of points that are given to the networks at once."""
    mesh_format: Annotated[str | None, NOTHING] = "ply"
    """Numbered mesh files (ply, off, obj), one animated file (glb, usd), or null for neither."""
    write_inputs: Annotated[bool, NOTHING] = False
    """Also write what the model observes: clouds as ply, or images as png."""
    seed: Annotated[NonNegativeInt, MESHES] = 0
    """Seed of the observed points and their noise."""
