"""Animations of a glTF 2.0 file: the same file with its nodes as they stand at a time (3.11)."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from im2mesh.meshing.formats.gltf.document import Document, array, mapping, whole_number
from im2mesh.meshing.formats.gltf.keyframes import Keyframes, read_keyframes

_WIDTHS = {"translation": 3, "rotation": 4, "scale": 3}
_HARMLESS_POINTERS = ("/materials/", "/cameras/", "/extensions/")


@dataclass(frozen=True)
class Animation:
    """One animation of a file.

    Attributes:
        document: The file.
        channels: Number of a node and name of its property -> that property over time.
    """

    document: Document
    channels: dict[tuple[int, str], Keyframes]

    @property
    def start(self) -> float:
        """Seconds of the first keyframe of all channels."""
        return min(float(channel.times[0]) for channel in self.channels.values())

    @property
    def end(self) -> float:
        """Seconds of the last keyframe of all channels."""
        return max(float(channel.times[-1]) for channel in self.channels.values())

    def pose(self, time: float) -> Document:
        """The file as it stands at a time: what moves nodes and weights is set to its value."""
        nodes = list(self.document.entries("nodes"))
        for (number, path), keyframes in self.channels.items():
            nodes[number] = {**nodes[number], path: keyframes.at(time).tolist()}
        return replace(self.document, content={**self.document.content, "nodes": nodes})


def animation_names(document: Document) -> list[str]:
    """The names of the animations, or their numbers for those without a name."""
    return [
        str(document.entry("animations", number).get("name") or number)
        for number in range(len(document.entries("animations")))
    ]


def read_animation(document: Document, number: int) -> Animation:
    """Read the channels of an animation. What changes the geometry and is not known is refused."""
    entry = document.entry("animations", number)
    samplers, channels = array(entry, "samplers"), {}
    for node, path, sampler in _targets(document, entry):
        key = whole_number(sampler, "an index of 'samplers'")
        if key >= len(samplers) or not isinstance(samplers[key], dict):
            raise ValueError(f"an animation names sampler {key}, it has {len(samplers)}")
        if (node, path) in channels:
            raise ValueError(f"an animation moves the {path} of node {node} twice")
        width = _WIDTHS.get(path) or _num_targets(document, node)
        channels[node, path] = read_keyframes(document, samplers[key], path, width)
    if not channels:
        raise ValueError("its animation moves no node and no morph target")
    return Animation(document, channels)


def _targets(document: Document, entry: dict[str, Any]) -> Iterator[tuple[int, str, Any]]:
    """The node, the property and the sampler of each channel that moves the geometry."""
    for channel in array(entry, "channels"):
        if not isinstance(channel, dict):
            raise ValueError("a channel of its animation is no JSON object")
        target = mapping(channel, "target")
        path = target.get("path")
        if path == "pointer":
            _refuse_pointer(target)
            continue
        if "node" not in target:
            continue  # as section 3.11 says
        if path not in (*_WIDTHS, "weights"):
            raise ValueError(f"its animation moves {path!r}, which is not supported")
        if "matrix" in document.entry("nodes", target["node"]) and path in _WIDTHS:
            raise ValueError(f"its animation moves node {target['node']}, which has a matrix")
        yield target["node"], path, channel.get("sampler")


def _refuse_pointer(target: dict[str, Any]) -> None:
    """KHR_animation_pointer may move anything: colours do not matter, nodes do."""
    pointer = mapping(mapping(target, "extensions"), "KHR_animation_pointer").get("pointer")
    if not str(pointer).startswith(_HARMLESS_POINTERS):
        raise ValueError(
            f"its animation moves {pointer!r} by KHR_animation_pointer, which is not supported; "
            "export it without"
        )


def _num_targets(document: Document, number: int) -> int:
    """The morph targets of the mesh of a node."""
    node = document.entry("nodes", number)
    mesh = document.entry("meshes", node.get("mesh"))
    primitives = array(mesh, "primitives")
    counts = {len(array(part, "targets")) for part in primitives if isinstance(part, dict)}
    if len(counts) != 1 or 0 in counts:
        raise ValueError(f"its animation weighs morph targets of node {number}, which has none")
    return counts.pop()
