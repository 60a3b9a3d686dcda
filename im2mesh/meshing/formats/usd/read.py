"""A .usdc that this program wrote as its meshes.

USD can describe a whole film and lead to other files. Of a layer, which is opened alone, nothing
is understood but what `write` puts there; everything else is refused, so nothing is skipped.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int, UInt8

from im2mesh.meshing.colors import rgb_of_light
from im2mesh.meshing.formats.moving import MovingMeshes
from im2mesh.meshing.formats.usd.library import NOTE, ROOT, SHAPES, load_usd
from im2mesh.meshing.formats.usd.timeline import Timeline
from im2mesh.meshing.mesh import Mesh
from im2mesh.meshing.validity import valid_faces, valid_frame, valid_positions

_COLORS = "primvars:displayColor"
_PLACED = ("xformOp:translate", "xformOpOrder")
_ATTRIBUTES = (
    "points", "extent", "normals", "faceVertexCounts", "faceVertexIndices", "subdivisionScheme",
    "doubleSided", "widths", _COLORS,
)  # fmt: skip
_OF_LAYER = {
    "upAxis", "metersPerUnit", "timeCodesPerSecond", "framesPerSecond", "startTimeCode",
    "endTimeCode", "defaultPrim", "customLayerData", "comment", "documentation",
}  # fmt: skip
_OF_PRIM = {"specifier", "typeName"}
_OF_ATTRIBUTE = {"typeName", "custom", "variability", "default", "timeSamples", "interpolation"}


def read_moving_usd(path: Path) -> MovingMeshes:
    """Read the meshes of all frames, with their colours and their place in the world.

    Raises:
        ValueError: If it is no such file, or damaged.
        UserError: If usd-core is not installed.
    """
    file = _open(path)
    codes = file.codes()
    place = file.layer.customLayerData[NOTE]
    loc, scale = valid_frame(np.array(place["loc"], np.float64), np.array(place["scale"]))
    meshes = [file.mesh(code) for code in codes]
    return MovingMeshes(meshes, file.timeline(codes).seconds, loc, scale)


def usd_seconds(path: Path) -> Float[np.ndarray, "T"]:
    """The times alone of `read_moving_usd`; see there for errors."""
    file = _open(path)
    return file.timeline(file.codes()).seconds


def _open(path: Path) -> "_File":
    usd = load_usd("a .usdc file")
    try:
        layer = usd.Sdf.Layer.OpenAsAnonymous(str(path.resolve()))
    except usd.Tf.ErrorException as error:
        raise ValueError("it is no USD file, or damaged") from error
    _refuse_unknown(layer)
    kinds = [kind for kind, place in SHAPES.items() if layer.GetPrimAtPath(place)]
    if len(kinds) != 1:
        raise ValueError(f"it holds {len(kinds)} shapes, expected 1")
    return _File(layer, SHAPES[kinds[0]])


def _refuse_unknown(layer: Any) -> None:
    if NOTE not in layer.customLayerData:
        raise ValueError(_not_ours("no note that this program wrote it"))
    found: list[Any] = []
    layer.Traverse("/", found.append)
    known = {"/": _OF_LAYER, ROOT: _OF_PRIM}
    known |= {f"{ROOT}.{name}": _OF_ATTRIBUTE for name in _PLACED}
    for place in SHAPES.values():
        known |= {place: _OF_PRIM, **{f"{place}.{name}": _OF_ATTRIBUTE for name in _ATTRIBUTES}}
    for path in found:
        if str(path) not in known:
            raise ValueError(_not_ours(str(path)))
        strange = sorted(set(_spec(layer, path).ListInfoKeys()) - known[str(path)])
        if strange:
            raise ValueError(_not_ours(f"{strange[0]} of {path}"))


def _spec(layer: Any, path: Any) -> Any:
    return layer.pseudoRoot if str(path) == "/" else layer.GetObjectAtPath(path)


def _not_ours(what: str) -> str:
    return (
        f"it holds {what}, and only USD files as this program writes them are read; export it as "
        ".glb, which is read from any program"
    )


@dataclass(frozen=True)
class _File:
    """A layer and the place of its shape."""

    layer: Any
    shape: str

    def codes(self) -> list[float]:
        """Where faces change with time, each frame has some; positions may be given twice."""
        changing = self._samples("faceVertexIndices")
        codes = changing or self._samples("points")
        if not codes:
            raise ValueError("it has no frames")
        return codes

    def timeline(self, codes: list[float]) -> Timeline:
        rate = float(self.layer.timeCodesPerSecond)
        if not 0 < rate < np.inf:
            raise ValueError(f"it has {rate} time codes a second, expected a positive number")
        return Timeline(np.array(codes), rate)

    def mesh(self, code: float) -> Mesh:
        points = self._rows("points", code)
        centre = self._centre()
        if centre.any():
            points = points + centre
        vertices = valid_positions(points)
        return Mesh(vertices, valid_faces(self._faces(code), len(vertices)), self._colors(vertices))

    def _faces(self, code: float) -> Int[np.ndarray, "F 3"]:
        counts = self._value("faceVertexCounts", code)
        corners = self._value("faceVertexIndices", code)
        if counts is None or corners is None:
            return np.zeros((0, 3), np.int32)
        counts, corners = np.array(counts), np.array(corners)
        if (counts != 3).any() or len(corners) != 3 * len(counts):
            raise ValueError("its faces are not triangles")
        return corners.reshape(-1, 3)

    def _colors(self, vertices: Float[np.ndarray, "V 3"]) -> UInt8[np.ndarray, "V 3"] | None:
        if self._value(_COLORS) is None:
            return None
        light = self._rows(_COLORS)
        if len(light) != len(vertices) or not ((light >= 0) & (light <= 1)).all():
            raise ValueError(f"it lacks a colour for each of its {len(vertices)} vertices")
        return rgb_of_light(light.astype(np.float64))

    def _centre(self) -> Float[np.ndarray, "3"]:
        attribute = self.layer.GetAttributeAtPath(f"{ROOT}.{_PLACED[0]}")
        return np.array(attribute.default, np.float64) if attribute else np.zeros(3)

    def _rows(self, name: str, code: float | None = None) -> Float[np.ndarray, "N 3"]:
        rows = np.array(self._value(name, code), np.float32)
        return rows.reshape(-1, 3) if rows.size == 0 else rows

    def _value(self, name: str, code: float | None = None) -> Any:
        """The value at a time, or that of all frames."""
        path = f"{self.shape}.{name}"
        sampled = None if code is None else self.layer.QueryTimeSample(path, code)
        if sampled is not None:
            return sampled
        attribute = self.layer.GetAttributeAtPath(path)
        return attribute.default if attribute else None

    def _samples(self, name: str) -> list[float]:
        return list(self.layer.ListTimeSamplesForPath(f"{self.shape}.{name}"))
