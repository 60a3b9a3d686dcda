"""Somebody's pictures of a moving body: numbered files, or a video."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import ImageOps

from im2mesh.data.images import FORMATS, MAX_PIXELS, DamagedImageError, opened_image
from im2mesh.data.layout import IMAGE_ENDINGS
from im2mesh.errors import Advice, UserError
from im2mesh.files.numbered import (
    NumberedFilesError,
    find_numbered,
    listed,
    refuse_holes,
    refuse_none,
)

VIDEO_ENDINGS = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".gif")
_MAX_FRAMES = 10000


@dataclass(frozen=True)
class Picture:
    """One picture as its file has it.

    Attributes:
        name: For messages.
        pixels: RGB, and alpha where the file has transparent pixels.
    """

    name: str
    pixels: UInt8[np.ndarray, "H W C"]


@dataclass(frozen=True)
class Pictures:
    """Where pictures are, in their order.

    Attributes:
        files: Files of single pictures; a single one may be a video.
        rate: Pictures a second; None if the files do not say.
        count: How many there are, of a video about.
    """

    files: tuple[Path, ...]
    rate: float | None
    count: int

    def __iter__(self) -> Iterator[Picture]:
        """Read one after another, so that not all need be in memory."""
        if self.is_video:
            yield from _read_video(self.files[0])
        else:
            for path in self.files:
                yield Picture(str(path), _read_picture(path))

    @property
    def is_video(self) -> bool:
        return len(self.files) == 1 and _is_video(self.files[0])


def find_pictures(paths: Sequence[Path]) -> Pictures:
    """Find the pictures of a folder of numbered files, single files in their order, or of a video.

    Raises:
        UserError: If there are none, one is missing between others, or a video cannot be opened.
    """
    first = paths[0]
    if len(paths) > 1 or not (first.is_dir() or _is_video(first)):
        _refuse_missing(paths)
        return Pictures(tuple(paths), None, len(paths))
    if first.is_dir():
        files = _in_folder(first)
        return Pictures(files, None, len(files))
    _refuse_missing(paths)
    with _opened_video(first) as frames:
        told = next(frames)
        rate = float(told["fps"]) or None
        return Pictures((first,), rate, round((rate or 0.0) * float(told["duration"])))


def _in_folder(folder: Path) -> tuple[Path, ...]:
    try:
        found = find_numbered(folder, IMAGE_ENDINGS)
        refuse_holes(folder, found, "copy the missing pictures, or move the others away")
        refuse_none(folder, found, IMAGE_ENDINGS)
    except NumberedFilesError as error:
        raise UserError(str(error)) from error
    if found.others:
        warnings.warn(
            f"{folder} also holds {listed(found.others)}, which are no numbered pictures",
            Advice,
            stacklevel=3,
        )
    return tuple(folder / name for name in found.names.values())


def _refuse_missing(paths: Sequence[Path]) -> None:
    for path in paths:
        if _is_video(path) and len(paths) > 1:
            raise UserError(f"{path} is a video; give one video, or pictures")
        if not path.is_file():
            what = "is a folder; give one folder, or files" if path.is_dir() else "does not exist"
            raise UserError(f"{path} {what}")


def _is_video(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_ENDINGS


def _read_picture(path: Path) -> UInt8[np.ndarray, "H W C"]:
    try:
        with opened_image(path) as file:
            if file.width * file.height > MAX_PIXELS:
                raise UserError(
                    f"{path} has {file.width} x {file.height} pixels, at most {MAX_PIXELS} are "
                    "read; make it smaller"
                )
            upright = ImageOps.exif_transpose(file)
            has_alpha = "A" in upright.getbands() or "transparency" in upright.info
            return np.asarray(upright.convert("RGBA" if has_alpha else "RGB"))
    except DamagedImageError as error:
        raise UserError(
            f"{path} is no intact {' or '.join(FORMATS)} picture ({error}); convert it"
        ) from error


def _read_video(path: Path) -> Iterator[Picture]:
    with _opened_video(path) as frames:
        width, height = next(frames)["size"]
        for number, frame in enumerate(frames):
            if number == _MAX_FRAMES:
                raise UserError(f"{path} has more than {_MAX_FRAMES} frames; cut it")
            pixels = np.frombuffer(frame, np.uint8).reshape(height, width, 3)
            yield Picture(f"{path}, frame {number}", pixels)


@contextmanager
def _opened_video(path: Path) -> Iterator[Iterator[Any]]:
    """The frames that ffmpeg decodes, behind a description of the video."""
    try:
        import imageio_ffmpeg
    except ImportError as error:
        raise UserError(
            f"{path} is a video, which needs imageio-ffmpeg, run: pip install -e .[viz]; or give "
            "a folder of pictures"
        ) from error
    frames = imageio_ffmpeg.read_frames(str(path), pix_fmt="rgb24")
    try:
        yield frames
    except (OSError, RuntimeError) as error:
        raise UserError(f"{path} is no video that ffmpeg can read; convert it") from error
    finally:
        frames.close()
