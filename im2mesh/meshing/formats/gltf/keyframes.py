"""Values between the keyframes of a glTF 2.0 animation (appendix C of the standard)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from im2mesh.meshing.formats.gltf.accessors import read_array
from im2mesh.meshing.formats.gltf.document import Document

_INTERPOLATIONS = ("LINEAR", "STEP", "CUBICSPLINE")
_PARALLEL = 1 - 1e-9
"""Cosine of half the angle between two rotations above which they are mixed like vectors."""


@dataclass(frozen=True)
class Keyframes:
    """A property over time: a vector, a rotation, or the weights of morph targets.

    Attributes:
        times: Seconds, strictly increasing.
        values: Of each keyframe: its value, or in-tangent, value and out-tangent (CUBICSPLINE).
        interpolation: LINEAR, STEP or CUBICSPLINE.
        is_rotation: Whether values are quaternions.
    """

    times: Float[np.ndarray, "K"]
    values: Float[np.ndarray, "K parts width"]
    interpolation: str
    is_rotation: bool

    def at(self, time: float) -> Float[np.ndarray, "width"]:
        """The value at a time; before the first keyframe and after the last it stands still."""
        after = int(np.searchsorted(self.times, time, side="right"))
        before = max(after - 1, 0)
        if after in (0, len(self.times)) or self.interpolation == "STEP":
            return self._normalised(self.values[before, self.values.shape[1] // 2])
        length = float(self.times[after] - self.times[before])
        share = (time - float(self.times[before])) / length
        if self.interpolation == "CUBICSPLINE":
            return self._normalised(_spline(self.values[before], self.values[after], share, length))
        start, end = self.values[before, 0], self.values[after, 0]
        return _turn(start, end, share) if self.is_rotation else start + share * (end - start)

    def _normalised(self, value: Float[np.ndarray, "width"]) -> Float[np.ndarray, "width"]:
        if not self.is_rotation:
            return value
        length = float(np.linalg.norm(value))
        if length == 0:
            raise ValueError("an animation has the rotation 0, 0, 0, 0, which turns nothing")
        return value / length


def read_keyframes(document: Document, sampler: dict[str, Any], path: str, width: int) -> Keyframes:
    """Read a sampler.

    Args:
        path: What it moves: translation, rotation, scale or weights.
        width: Numbers that make one value.
    """
    interpolation = sampler.get("interpolation", "LINEAR")
    if interpolation not in _INTERPOLATIONS:
        raise ValueError(f"an animation has the unknown interpolation {interpolation!r}")
    times = read_array(document, sampler.get("input"), ("SCALAR",), "f")[:, 0].astype(np.float64)
    if len(times) == 0 or not np.isfinite(times).all() or (np.diff(times) <= 0).any():
        raise ValueError("the times of an animation do not increase strictly")
    kind = {"rotation": "VEC4", "weights": "SCALAR"}.get(path, "VEC3")
    output = read_array(document, sampler.get("output"), (kind,)).astype(np.float64)
    parts = 3 if interpolation == "CUBICSPLINE" else 1
    if output.size != len(times) * parts * width:
        raise ValueError(
            f"an animation has {len(times)} times and {output.size} numbers for its {path}, "
            f"expected {len(times) * parts * width}"
        )
    if not np.isfinite(output).all():
        raise ValueError(f"an animation has a {path} that is NaN or infinite")
    values = output.reshape(len(times), parts, width)
    return Keyframes(times, values, interpolation, path == "rotation")


def _spline(
    before: Float[np.ndarray, "3 width"],
    after: Float[np.ndarray, "3 width"],
    share: float,
    length: float,
) -> Float[np.ndarray, "width"]:
    """The cubic that has the values and the tangents of both keyframes."""
    square, cube = share**2, share**3
    values = (2 * cube - 3 * square + 1) * before[1] + (3 * square - 2 * cube) * after[1]
    tangents = (cube - 2 * square + share) * before[2] + (cube - square) * after[0]
    return values + length * tangents


def _turn(
    start: Float[np.ndarray, "4"], end: Float[np.ndarray, "4"], share: float
) -> Float[np.ndarray, "4"]:
    """Turn evenly from one rotation to another, the shorter way (spherical linear)."""
    lengths = np.linalg.norm(start), np.linalg.norm(end)
    if min(lengths) == 0:
        raise ValueError("an animation has the rotation 0, 0, 0, 0, which turns nothing")
    start, end = start / lengths[0], end / lengths[1]
    cosine = float(start @ end)
    if cosine < 0:  # a quaternion and its negative are one rotation
        end, cosine = -end, -cosine
    if cosine > _PARALLEL:
        mixed = start + share * (end - start)
        return mixed / np.linalg.norm(mixed)
    angle = np.arccos(cosine)
    return (np.sin((1 - share) * angle) * start + np.sin(share * angle) * end) / np.sin(angle)
