"""Moving meshes and clouds as few bytes, for the viewer of a report (viewer.js)."""

import base64
import io
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from im2mesh.meshing.formats.gltf.motion_basis import motion_basis
from im2mesh.meshing.mesh import Mesh
from im2mesh.visualization.color_bar import ErrorScale
from im2mesh.visualization.panel import Panel
from im2mesh.visualization.sheet import color_by_place

NUM_SHOWN_POINTS = 12_000
"""Of a cloud that is observed or true, so many points are shown."""
_INPUT_COLOR = (104, 128, 166)  # seen on white and on black
_IMAGE_SIDE = 200  # pixels
_KINDS = {"u1": np.uint8, "u2": np.uint16, "i2": np.int16, "u4": np.uint32}


@dataclass
class Blob:
    """Arrays behind each other; `text` is what the page holds."""

    parts: list[bytes] = field(default_factory=list)
    size: int = 0

    def add(self, values: np.ndarray) -> list[Any]:
        """Add an array of integers: its kind, where it starts in bytes, and its length."""
        kind = values.dtype.str[1:]
        assert kind in _KINDS, kind
        content = np.ascontiguousarray(values).tobytes()
        place = [kind, self.size, values.size]
        content += b"\0" * (-len(content) % 4)  # typed arrays of the browser start at multiples
        self.parts.append(content)
        self.size += len(content)
        return place

    def text(self) -> str:
        return base64.b64encode(zlib.compress(b"".join(self.parts), 6)).decode()


def window_content(panels: Mapping[str, Panel], scale: ErrorScale) -> dict[str, Any]:
    """What the viewer needs of one window.

    Args:
        panels: Name of a run -> its panel; all share the window, its truth and its input. Any of
            truth, prediction and input may be missing, but not all.
        scale: Largest error that colours tell apart.
    """
    blob, first = Blob(), next(iter(panels.values()))
    encoder = _Encoder(blob, scale, _box_of(first))
    layers = [encoder.input(first.inputs)] if first.inputs else []
    layers += [encoder.prediction(n, panel) for n, panel in panels.items() if panel.prediction]
    truth = {k: _thinned(mesh) for k, mesh in enumerate(first.truth)}
    layers += [encoder.meshes("truth", truth)] if truth else []
    shown = [*truth.values(), *(m for p in panels.values() for m in (p.prediction or {}).values())]
    clouds = [mesh.vertices for mesh in shown if not mesh.is_empty]
    clouds += [] if clouds else [x for x in (first.inputs or {}).values() if x.ndim == 2]
    low, high = _bounds(clouds)
    return {
        "title": first.title,
        "frames": max(panel.num_shown for panel in panels.values()),
        "low": low.tolist(),
        "high": high.tolist(),
        "layers": layers,
        "blob": blob.text(),
    }


def _bounds(
    clouds: Sequence[Float[np.ndarray, "_ 3"]],
) -> tuple[Float[np.ndarray, "3"], Float[np.ndarray, "3"]]:
    """Corners of the box around all points; those of equally many points are first compared row by
    row, which is sooner done."""
    rows: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    for cloud in clouds:
        low, high = rows.get(len(cloud), (cloud, cloud))
        rows[len(cloud)] = np.minimum(low, cloud), np.maximum(high, cloud)
    corners = np.concatenate([x for pair in rows.values() for x in pair] or [np.zeros((1, 3))])
    return corners.min(0), corners.max(0)


def later_content(name: str, panel: Panel, scale: ErrorScale, box_of: Mesh) -> dict[str, Any]:
    """What the viewer needs of a prediction, and its input, that come later than their window.

    Args:
        name: Name of the prediction.
        box_of: Mesh whose bounding box spans the colours.
    """
    blob = Blob()
    encoder = _Encoder(blob, scale, box_of)
    layers = [encoder.input(panel.inputs)] if panel.inputs else []
    layers.append(encoder.prediction(name, panel))
    return {"layers": layers, "blob": blob.text()}


def _box_of(panel: Panel) -> Mesh:
    """The mesh that spans the colours: the first true one, or else the first predicted one."""
    found = [*panel.truth[:1], *(panel.prediction or {}).values()]
    return found[0] if found else Mesh.of_points(np.zeros((0, 3), np.float32))


@dataclass(frozen=True)
class _Encoder:
    blob: Blob
    scale: ErrorScale
    box_of: Mesh

    def input(self, inputs: Mapping[int, np.ndarray]) -> dict[str, Any]:
        if next(iter(inputs.values())).ndim == 3:
            return {"name": "input", "images": {k: _jpeg(image) for k, image in inputs.items()}}
        clouds = {k: _thinned(Mesh.of_points(cloud)) for k, cloud in inputs.items()}
        clouds = {k: replace(cloud, colors=_blue(cloud)) for k, cloud in clouds.items()}
        return {"name": "input", "parts": [self._part([k], [m]) for k, m in clouds.items()]}

    def prediction(self, name: str, panel: Panel) -> dict[str, Any]:
        errors = panel.errors.by_frame if panel.errors else {}
        layer = self.meshes(name, panel.prediction or {}, errors)
        if panel.errors is not None:
            layer["errors"] = panel.errors.kind
        return layer

    def meshes(
        self, name: str, meshes: Mapping[int, Mesh], errors: Mapping[int, np.ndarray] | None = None
    ) -> dict[str, Any]:
        """Meshes that share their faces become one part that moves, others one part a frame."""
        colored = color_by_place(meshes, self.box_of)
        base = next(iter(colored.values()), None)
        is_moving = base is not None and all(map(base.shares_rows, colored.values()))
        groups = [list(colored)] if is_moving else [[k] for k in colored]
        parts = [self._part(ks, [colored[k] for k in ks], errors or {}) for ks in groups]
        return {"name": name, "parts": parts}

    def _part(
        self,
        frames: Sequence[int],
        meshes: Sequence[Mesh],
        errors: Mapping[int, np.ndarray] | None = None,
    ) -> dict[str, Any]:
        vertices, faces = np.stack([mesh.vertices for mesh in meshes]), meshes[0].faces
        count, colors = vertices.shape[1], meshes[0].colors
        assert colors is not None
        part: dict[str, Any] = {"frames": list(frames), "vertices": count}
        if count == 0:
            return part
        low, step = vertices[0].min(0), float(np.ptp(vertices[0], axis=0).max()) / 65535 or 1.0
        part |= {"low": low.tolist(), "step": step, "weights": [[]] * len(frames)}
        part["base"] = self.blob.add(np.rint((vertices[0] - low) / step).astype(np.uint16))
        part["faces"] = self.blob.add(faces.astype(np.uint16 if count < 2**16 else np.uint32))
        part["colors"] = self.blob.add(colors)
        if len(frames) > 1:
            part |= self._motion(vertices)
        if errors and all(k in errors for k in frames):
            shares = np.stack([errors[k] for k in frames]) / self.scale.maximum
            part["errors"] = self.blob.add(np.rint(255 * np.clip(shares, 0, 1)).astype(np.uint8))
        return part

    def _motion(self, vertices: Float[np.ndarray, "T V 3"]) -> dict[str, Any]:
        basis = motion_basis(vertices, None)
        step = float(np.abs(basis.positions).max()) / 32767 or 1.0
        shapes = self.blob.add(np.rint(basis.positions / step).astype(np.int16))
        weights = [[round(float(w), 6) for w in row] for row in basis.weights]
        return {"shapes": shapes, "shape_step": step, "weights": weights}


def _thinned(mesh: Mesh) -> Mesh:
    """Every n-th point of a cloud, the same rows of clouds of one size; a mesh as it is."""
    if len(mesh.faces):
        return mesh
    step = max(1, -(-len(mesh.vertices) // NUM_SHOWN_POINTS))
    return Mesh.of_points(mesh.vertices[::step])


def _blue(cloud: Mesh) -> UInt8[np.ndarray, "N 3"]:
    return np.full(cloud.vertices.shape, _INPUT_COLOR, np.uint8)


def _jpeg(pixels: Float[np.ndarray, "3 H W"]) -> str:
    rows: UInt8[np.ndarray, "H W 3"] = np.rint(255 * pixels.transpose(1, 2, 0)).astype(np.uint8)
    image, file = Image.fromarray(rows), io.BytesIO()
    image.thumbnail((_IMAGE_SIDE, _IMAGE_SIDE))
    image.save(file, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
