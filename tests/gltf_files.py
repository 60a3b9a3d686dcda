"""Small glTF files for tests, written without the code that is tested."""

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np

from tests.readers import glb

CORNERS = np.array([[x, y, z] for z in (-1, 1) for y in (-1, 1) for x in (-1, 1)], np.float32)
FACES = np.array(
    [[0, 2, 3], [0, 3, 1], [4, 5, 7], [4, 7, 6], [0, 1, 5], [0, 5, 4],
     [2, 6, 7], [2, 7, 3], [0, 4, 6], [0, 6, 2], [1, 3, 7], [1, 7, 5]], np.uint16,
)  # fmt: skip
"""A cube of side 2 whose triangles face outwards."""
STRIP = [0, 2, 1, 3, 7, 2, 6, 0, 4, 1, 5, 7, 4, 6]
"""The same cube as one strip of triangles."""
_COMPONENTS = {"i1": 5120, "u1": 5121, "i2": 5122, "u2": 5123, "u4": 5125, "f4": 5126}
_KINDS = {1: "SCALAR", 3: "VEC3", 4: "VEC4", 16: "MAT4"}


class GltfFile:
    """A document that grows by arrays, meshes and nodes, and its binary part."""

    def __init__(self) -> None:
        self.binary = b""
        self.document: dict[str, Any] = {
            "asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": []}], "nodes": [],
            "meshes": [], "accessors": [], "bufferViews": [], "buffers": [],
        }  # fmt: skip

    def view(self, content: bytes, **keys: Any) -> int:
        self.binary += b"\0" * (-len(self.binary) % 4)
        view = {"buffer": 0, "byteOffset": len(self.binary), "byteLength": len(content), **keys}
        self.binary += content
        self.document["bufferViews"].append(view)
        return len(self.document["bufferViews"]) - 1

    def array(self, values: Any, dtype: str, padding: int = 0, **keys: Any) -> int:
        """Add an accessor; padding adds so many bytes behind each row, as between vertices."""
        rows = np.asarray(values, dtype)
        rows = rows.reshape(len(rows), -1)
        content = b"".join(row.tobytes() + b"\xff" * padding for row in rows)
        stride = {"byteStride": rows.itemsize * rows.shape[1] + padding} if padding else {}
        accessor = {
            "bufferView": self.view(content, **stride), "componentType": _COMPONENTS[dtype],
            "count": len(rows), "type": _KINDS[rows.shape[1]],
        }  # fmt: skip
        return self.accessor({**accessor, **keys})

    def positions(self, values: Any, dtype: str = "f4", padding: int = 0, **keys: Any) -> int:
        """Add positions with their bounds, which the standard asks for."""
        rows = np.asarray(values, dtype)
        bounds = {"min": rows.min(0).tolist(), "max": rows.max(0).tolist()}
        return self.array(rows, dtype, padding, **bounds, **keys)

    def accessor(self, accessor: dict[str, Any]) -> int:
        self.document["accessors"].append(accessor)
        return len(self.document["accessors"]) - 1

    def mesh(self, *primitives: dict[str, Any], **keys: Any) -> int:
        self.document["meshes"].append({"primitives": list(primitives), **keys})
        return len(self.document["meshes"]) - 1

    def node(self, in_scene: bool = True, **keys: Any) -> int:
        self.document["nodes"].append(keys)
        number = len(self.document["nodes"]) - 1
        if in_scene:
            self.document["scenes"][0]["nodes"].append(number)
        return number

    def cube(self, **attributes: int) -> dict[str, Any]:
        """The primitive of a cube."""
        position = attributes.pop("POSITION", None)
        if position is None:
            position = self.positions(CORNERS)
        indices = self.array(FACES.ravel(), "u2")
        return {"attributes": {"POSITION": position, **attributes}, "indices": indices}

    def write(self, path: Path) -> Path:
        """As .glb, or as .gltf with its buffer in a file beside it."""
        buffer = {"byteLength": len(self.binary)}
        document = {key: value for key, value in self.document.items() if value != []}
        if path.suffix == ".glb":
            path.write_bytes(glb(self._json(document, buffer), self._padded()))
            return path
        path.with_suffix(".bin").write_bytes(self.binary)
        path.write_bytes(self._json(document, {**buffer, "uri": path.with_suffix(".bin").name}))
        return path

    def write_in_one(self, path: Path) -> Path:
        """As .gltf with its buffer as a data URI."""
        uri = "data:application/octet-stream;base64," + base64.b64encode(self.binary).decode()
        buffer = {"byteLength": len(self.binary), "uri": uri}
        path.write_bytes(self._json(self.document, buffer))
        return path

    def _json(self, document: dict[str, Any], buffer: dict[str, Any]) -> bytes:
        buffers = [buffer] if self.binary else []
        return json.dumps({**document, "buffers": buffers}).encode()

    def _padded(self) -> bytes:
        return self.binary + b"\0" * (-len(self.binary) % 4)
