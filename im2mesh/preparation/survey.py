"""A first look at all frames of a clip: whether they can be used, and what they share."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from im2mesh.data.sampling import face_normals
from im2mesh.errors import UserError
from im2mesh.meshing.mesh import Mesh
from im2mesh.meshing.orientation import face_outwards, is_watertight
from im2mesh.preparation.placement import Placement
from im2mesh.preparation.sources.clip_source import ClipSource, FrameReader

_WAY_OUT = "mend or remove that frame, then run the same command again"


@dataclass(frozen=True)
class Survey:
    """What the frames of a clip have in common.

    Attributes:
        faces: Triangles that all frames share, looking outwards; None if they differ.
        change: The first frame whose triangles differ, in words; "" if none does.
        num_open: Number of frames whose surface is not watertight.
        turned: What was found of faces that look inwards, in words; "" for nothing.
        low, high: Corners of the box around all frames, in our axes, metres.
    """

    faces: Int[np.ndarray, "F 3"] | None
    change: str
    num_open: int
    turned: str
    low: Float[np.ndarray, "3"]
    high: Float[np.ndarray, "3"]

    def outwards(self, mesh: Mesh) -> Mesh:
        """A frame of the clip with its faces outwards."""
        return face_outwards(mesh)[0] if self.faces is None else Mesh(mesh.vertices, self.faces)


def survey(source: ClipSource, read: FrameReader, placement: Placement) -> Survey:
    """Read all frames of a clip once.

    Raises:
        UserError: If a frame cannot be read or has no surface, or if the source promises one
            topology and a frame has another; the message names the file and the frame.
    """
    first = read_frame(source, read, 0, placement)
    outward, found = face_outwards(first)
    is_open, change, num_open = not is_watertight(outward), "", 0
    boxes = []
    for index in range(source.num_frames):
        mesh = read_frame(source, read, index, placement)
        difference = _difference(source, index, mesh, first)
        change = change or difference
        if difference and source.promises_correspondence:
            raise UserError(f"{difference}; all frames of such a clip share theirs: {_WAY_OUT}")
        num_open += not is_watertight(mesh) if difference else is_open
        corners = surface_corners(mesh)
        boxes.append((corners.min(0), corners.max(0)))
    low, high = np.array(boxes).swapaxes(0, 1)
    return Survey(
        None if change else outward.faces, change, num_open, found or "", low.min(0), high.max(0)
    )


def read_frame(source: ClipSource, read: FrameReader, index: int, placement: Placement) -> Mesh:
    """One frame in our axes, in metres.

    Raises:
        UserError: If it cannot be read or has no surface.
    """
    try:
        mesh = placement.place(read(index))
    except ValueError as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{source.where(index)}: {error}; {_WAY_OUT}") from error
    problem = _problem(mesh)
    if problem:
        raise UserError(f"{source.where(index)} {problem}; {_WAY_OUT}")
    return mesh


def surface_corners(mesh: Mesh) -> Float[np.ndarray, "N 3"]:
    """The corners of all faces; a file may also hold vertices that no face names."""
    return mesh.vertices[mesh.faces.ravel()]


def _problem(mesh: Mesh) -> str | None:
    """What makes a mesh unfit for surface points, in words."""
    if len(mesh.faces) == 0:
        return "has no faces, so it has no surface to take points from"
    area = np.linalg.norm(face_normals(mesh.vertices, mesh.faces), axis=1).sum()
    return None if area > 0 else "has faces without area, so it has no surface to take points from"


def _difference(source: ClipSource, index: int, mesh: Mesh, first: Mesh) -> str:
    """In what the topology of a frame differs from that of the first, in words; "" for nothing."""
    counts = len(mesh.vertices), len(first.vertices)
    if counts[0] != counts[1]:
        return f"{source.where(index)} has {counts[0]} vertices, {source.where(0)} has {counts[1]}"
    if not np.array_equal(mesh.faces, first.faces):
        return f"{source.where(index)} has other triangles than {source.where(0)}"
    return ""
