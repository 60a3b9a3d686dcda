"""Animated glTF files (.glb, .gltf): each animation is a clip, sampled at any frame rate."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from im2mesh.errors import UserError, is_refused_by_system
from im2mesh.meshing.formats.gltf.animations import Animation, animation_names, read_animation
from im2mesh.meshing.formats.gltf.container import open_glb, open_gltf
from im2mesh.meshing.formats.gltf.document import Document
from im2mesh.meshing.formats.gltf.read import read_document
from im2mesh.meshing.mesh import Mesh
from im2mesh.meshing.validity import valid_faces, valid_positions
from im2mesh.preparation.sources.clip_source import ClipSource, FrameReader, SourceOptions
from im2mesh.preparation.sources.folders import files_below

ENDINGS = (".glb", ".gltf")
FPS = 60.0
"""Frames a second where nothing else is asked for, as in D-FAUST."""
_ROUNDING = 1e-4  # frames: times of keyframes are float32


@dataclass(frozen=True)
class AnimatedFile(ClipSource):
    """One animation of a file."""

    path: Path
    clip: str
    number: int
    fps: float
    count: int

    @property
    def name(self) -> str:
        return self.clip

    @property
    def numbers(self) -> Sequence[int]:
        return range(self.count)

    def where(self, index: int) -> str:
        return f"{self.path}, animation {self.number}, frame {index}"

    @contextmanager
    def open(self) -> Iterator[FrameReader]:
        animation = _animation(self.path, _document(self.path), self.number)

        def read(index: int) -> Mesh:
            time = animation.start + index / self.fps
            vertices, faces, _ = read_document(animation.pose(time))
            return Mesh(valid_positions(vertices), valid_faces(faces, len(vertices)))

        yield read


def find_animations(source: Path, options: SourceOptions) -> list[ClipSource]:
    """All animations of a file, or of all such files of a folder and its folders.

    Raises:
        UserError: If a file is broken, or has no animation.
    """
    return [clip for path in gltf_files(source) for clip in _clips(path, options.fps or FPS)]


def is_animated(source: Path) -> bool:
    """Whether a source is a glTF file, or a folder whose first glTF file has an animation."""
    files = gltf_files(source)
    if source.is_file() or not files:
        return bool(files)
    return bool(_document(files[0]).entries("animations"))


def gltf_files(source: Path) -> list[Path]:
    if source.is_file():
        return [source] if source.suffix.lower() in ENDINGS else []
    return files_below(source, ENDINGS)


def _clips(path: Path, fps: float) -> list[ClipSource]:
    document = _document(path)
    names = animation_names(document)
    if not names:
        raise UserError(
            f"{path} has no animation; export it with one, or one numbered file per frame"
        )
    if not 0 < fps < 1e6:
        raise UserError(f"--fps must be a positive number, got {fps}")
    clips: list[ClipSource] = []
    for number, name in enumerate(names):
        animation = _animation(path, document, number)
        count = int((animation.end - animation.start) * fps + 1 + _ROUNDING)
        if count < 2:
            raise UserError(
                f"{path}: animation {name} lasts {animation.end - animation.start:g} s, which is "
                f"less than two frames; raise --fps, or export a longer one"
            )
        clip = path.stem if len(names) == 1 else f"{path.stem}_{name}"
        clips.append(AnimatedFile(path, re.sub(r"[^\w.+-]", "_", clip), number, fps, count))
    return clips


def _document(path: Path) -> Document:
    try:
        return open_glb(path) if path.suffix.lower() == ".glb" else open_gltf(path)
    except Exception as error:  # readers fail in many ways; the user needs the name of the file
        if is_refused_by_system(error):
            raise
        raise _broken(path, error) from error


def _animation(path: Path, document: Document, number: int) -> Animation:
    try:
        return read_animation(document, number)
    except ValueError as error:
        raise _broken(path, error) from error


def _broken(path: Path, error: Exception) -> UserError:
    return UserError(f"{path}: not a readable animation: {error}; copy or export it again")
