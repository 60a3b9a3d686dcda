"""Moving meshes as one animated USD file in its binary form, .usdc.

Section and schema names are those of OpenUSD's UsdGeom. Positions are float32 and not compressed:
every frame is exact, and takes 24 bytes for each vertex.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int, UInt8

from im2mesh.errors import UserError
from im2mesh.meshing.colors import linear_light
from im2mesh.meshing.formats.usd.library import NOTE, ROOT, SHAPES, load_usd
from im2mesh.meshing.formats.usd.timeline import Timeline, timeline_of
from im2mesh.meshing.mesh import Mesh
from im2mesh.meshing.normals import unit_normals

_WIDTH = 0.01
"""Of the diagonal of the first frame: the diameter of points, which few programs show without."""


def write_moving_usd(
    path: Path,
    first: Mesh,
    vertices: Float[np.ndarray, "T V 3"],
    seconds: Float[np.ndarray, "T"],
    loc: Float[np.ndarray, "3"],
    scale: float,
) -> None:
    """Write one mesh, or set of points, whose faces and colours are shared by all frames.

    Args:
        first: The mesh of the first frame, with its colours.
        vertices: Positions over time; float64 where they lie far from 0 for their size.
        seconds: Time of each frame, increasing.
        loc, scale: Place of the positions in the world, noted in the file.

    Raises:
        UserError: If usd-core is not installed.
    """
    timeline, centre = timeline_of(seconds), _centre([vertices])
    if len(first.faces) == 0 < len(first.vertices):
        file = _File.of_points(timeline, centre, _WIDTH * _diagonal(first.vertices))
    else:
        file = _File.of_mesh(timeline, centre)
        file.connect(first.faces)
    file.note(loc, scale)
    file.paint(first.colors)
    for positions, code in zip(vertices, timeline.codes, strict=True):
        file.pose(replace(first, vertices=positions), [code])
    file.write(path)


def write_flip_book_usd(
    path: Path,
    meshes: Sequence[Mesh],
    seconds: Float[np.ndarray, "T"],
    loc: Float[np.ndarray, "3"],
    scale: float,
) -> None:
    """Write meshes without correspondence, each shown from its time to the next.

    They are one mesh whose faces change, too. Programs blend positions of two frames that happen to
    be equally many, so each frame is given a second time just before the next one; the file holds
    equal arrays once. See `write_moving_usd` for the arguments.

    Raises:
        UserError: If usd-core is not installed.
    """
    timeline = timeline_of(seconds)
    file = _File.of_mesh(timeline, _centre([mesh.vertices for mesh in meshes]))
    file.note(loc, scale)
    ends = timeline.codes[1:] - file.usd.Usd.TimeCode.SafeStep()
    for mesh, code, end in zip(meshes, timeline.codes, [*ends, None], strict=True):
        file.connect(mesh.faces, code)
        file.pose(mesh, [code] if end is None else [code, end])
    file.write(path)


@dataclass(frozen=True)
class _File:
    """A file that is being made.

    Attributes:
        usd: The library.
        stage: The content, a Usd.Stage.
        shape: A UsdGeom.Mesh or UsdGeom.Points.
        centre: What is subtracted from positions before they become float32.
        radius: How far points reach beyond their positions; 0 for a mesh.
    """

    usd: Any
    stage: Any
    shape: Any
    centre: Float[np.ndarray, "3"]
    radius: float = 0.0

    @classmethod
    def of_mesh(cls, timeline: Timeline, centre: Float[np.ndarray, "3"]) -> "_File":
        """A file whose mesh has no frames yet."""
        usd = load_usd("a .usdc file")
        stage = _empty_stage(usd, timeline, centre)
        shape = usd.UsdGeom.Mesh.Define(stage, SHAPES["Mesh"])
        shape.CreateSubdivisionSchemeAttr(usd.UsdGeom.Tokens.none)
        shape.CreateDoubleSidedAttr(True)
        shape.SetNormalsInterpolation(usd.UsdGeom.Tokens.vertex)
        return cls(usd, stage, shape, centre)

    @classmethod
    def of_points(cls, timeline: Timeline, centre: Float[np.ndarray, "3"], width: float) -> "_File":
        """A file whose points, all of one diameter, have no frames yet."""
        usd = load_usd("a .usdc file")
        stage = _empty_stage(usd, timeline, centre)
        shape = usd.UsdGeom.Points.Define(stage, SHAPES["Points"])
        shape.CreateWidthsAttr([width])
        shape.SetWidthsInterpolation(usd.UsdGeom.Tokens.constant)
        return cls(usd, stage, shape, centre, width / 2)

    def note(self, loc: Float[np.ndarray, "3"], scale: float) -> None:
        place = {"loc": self.usd.Gf.Vec3d(*map(float, loc)), "scale": float(scale)}
        self.stage.GetRootLayer().customLayerData = {NOTE: place}

    def paint(self, colors: UInt8[np.ndarray, "V 3"] | None) -> None:
        """The schema wants linear light."""
        if colors is not None:
            primvar = self.shape.CreateDisplayColorPrimvar(self.usd.UsdGeom.Tokens.vertex)
            primvar.Set(self._triples(linear_light(colors)))

    def connect(self, faces: Int[np.ndarray, "F 3"], code: float | None = None) -> None:
        """Set the faces: from a time on, or for all frames."""
        when = self.usd.Usd.TimeCode.Default() if code is None else code
        counts, corners = np.full(len(faces), 3, np.int32), faces.astype(np.int32).ravel()
        ints = self.usd.Vt.IntArray.FromNumpy
        self.shape.GetFaceVertexCountsAttr().Set(ints(counts), when)
        self.shape.GetFaceVertexIndicesAttr().Set(ints(corners), when)

    def pose(self, mesh: Mesh, codes: Sequence[float]) -> None:
        """Set positions, normals (without which surfaces are to be shown faceted) and bounds."""
        points = (mesh.vertices - self.centre).astype(np.float32)
        rows = {"points": points, "extent": _box(points, self.radius)}
        if self.shape.GetPrim().GetTypeName() == "Mesh":
            rows["normals"] = unit_normals(points[None], mesh.faces)[0]
        for name, values in rows.items():
            attribute, values = self.shape.GetPrim().GetAttribute(name), self._triples(values)
            for code in codes:
                attribute.Set(values, code)

    def write(self, path: Path) -> None:
        try:
            self.stage.GetRootLayer().Export(str(path.resolve()))
        except self.usd.Tf.ErrorException as error:  # it tells no reason of the system
            raise UserError(
                f"{path.name} cannot be written; free some space, or choose another folder"
            ) from error

    def _triples(self, rows: np.ndarray) -> Any:
        return self.usd.Vt.Vec3fArray.FromNumpy(np.ascontiguousarray(rows, np.float32))


def _empty_stage(usd: Any, timeline: Timeline, centre: Float[np.ndarray, "3"]) -> Any:
    """A Usd.Stage whose root is placed at the centre; in metres with y up, as glTF has it."""
    stage = usd.Usd.Stage.Open(usd.Sdf.Layer.CreateAnonymous(".usdc"))
    usd.UsdGeom.SetStageUpAxis(stage, usd.UsdGeom.Tokens.y)
    usd.UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    stage.SetTimeCodesPerSecond(timeline.per_second)
    stage.SetFramesPerSecond(timeline.per_second)
    stage.SetStartTimeCode(timeline.codes[0])
    stage.SetEndTimeCode(timeline.codes[-1])
    root = usd.UsdGeom.Xform.Define(stage, ROOT)
    stage.SetDefaultPrim(root.GetPrim())
    if centre.any():
        root.AddTranslateOp(usd.UsdGeom.XformOp.PrecisionDouble).Set(usd.Gf.Vec3d(*centre))
    return stage


def _box(points: Float[np.ndarray, "V 3"], reach: float) -> Float[np.ndarray, "2 3"]:
    """Opposite corners of the bounds."""
    if len(points) == 0:
        return np.zeros((2, 3))
    return np.stack([points.min(0) - reach, points.max(0) + reach])


def _diagonal(points: Float[np.ndarray, "V 3"]) -> float:
    return float(np.linalg.norm(np.ptp(points, axis=0)))


def _centre(positions: Sequence[Float[np.ndarray, "... 3"]]) -> Float[np.ndarray, "3"]:
    """The centre of all positions if some need float64, which points of USD do not have; else 0."""
    if all(part.dtype == np.float32 for part in positions):
        return np.zeros(3)
    rows = [part.reshape(-1, 3) for part in positions if part.size]
    low = np.min([part.min(0) for part in rows], axis=0)
    high = np.max([part.max(0) for part in rows], axis=0)
    return (low + high) / 2
