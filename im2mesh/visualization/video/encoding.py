"""Frames -> a video in one file: .mp4 (H.264), .gif or .webp."""

import shutil
import tempfile
from collections.abc import Iterable, Sequence
from itertools import chain, pairwise
from pathlib import Path
from types import ModuleType

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from im2mesh.errors import UserError
from im2mesh.files.atomic import atomic_file
from im2mesh.files.results import DESCRIPTION_TAG, comment_of, refuse_other_picture

Frame = UInt8[np.ndarray, "H W 3"]

MOST_FRAMES_A_SECOND = {".mp4": 120.0, ".gif": 50.0, ".webp": 100.0}
"""Ending -> how many frames a second are shown at most. Browsers show a GIF whose frames last less
than two hundredths of a second at a tenth of its speed."""
_GIF_TICK, _WEBP_TICK = 10, 1  # milliseconds in which the formats count
_PALETTE_FROM = 4  # frames of a GIF from which its colours are taken
_CRF = 18  # of H.264: no difference is seen


def shown_frames(num_frames: int, fps: float, ending: str) -> tuple[list[int], float]:
    """Which frames a file shows, and how many a second: all, or as many as the format can show."""
    most = MOST_FRAMES_A_SECOND[ending]
    if fps <= most:
        return list(range(num_frames)), fps
    count = max(1, round(num_frames * most / fps))
    return [int(k * num_frames / count) for k in range(count)], most


def check_video(path: Path) -> None:
    """Refuse what cannot be written, before any work.

    Raises:
        UserError: If a file of somebody else is there, or what the format needs is not installed.
    """
    refuse_other_picture(path)
    if path.suffix.lower() == ".mp4":
        import_ffmpeg()


def write_video(path: Path, frames: Iterable[Frame], fps: float, origin: str = "") -> None:
    """Write a video, which has its name only when it is complete. A GIF and a WebP start anew when
    they have ended; all their frames are in memory at once.

    Args:
        path: Path of the file, which ends in .mp4, .gif or .webp.
        frames: Pictures of one size, at least one.
        fps: Frames a second.
        origin: Description of what made the contents, stored in the file's metadata.

    Raises:
        UserError: As `check_video`.
    """
    check_video(path)
    comment, ending = comment_of(origin), path.suffix.lower()
    if ending == ".mp4":
        _write_mp4(path, frames, fps, comment)
        return
    images = [Image.fromarray(frame) for frame in frames]
    with atomic_file(path) as file:
        if ending == ".gif":
            first, *rest = _in_one_palette(images)
            first.save(
                file, "GIF", save_all=True, append_images=rest, loop=0, optimize=False,
                duration=durations(len(images), fps, _GIF_TICK), comment=comment.encode(),
            )  # fmt: skip
        else:
            exif = Image.Exif()
            exif[DESCRIPTION_TAG] = comment
            images[0].save(
                file, "WEBP", save_all=True, append_images=images[1:], loop=0, quality=82,
                method=4, duration=durations(len(images), fps, _WEBP_TICK), exif=exif,
            )  # fmt: skip


def durations(num_frames: int, fps: float, tick: int) -> list[int]:
    """Milliseconds that each frame is shown, in whole ticks, without an error that adds up."""
    ends = [round(1000 * k / fps / tick) for k in range(num_frames + 1)]
    return [tick * (end - start) for start, end in pairwise(ends)]


def _in_one_palette(images: Sequence[Image.Image]) -> list[Image.Image]:
    """The same pictures in 256 colours that all share, so that what stands still does not flicker.

    For that reason, the error of a colour is not spread over its neighbours, either.
    """
    chosen = np.linspace(0, len(images) - 1, min(_PALETTE_FROM, len(images))).round().astype(int)
    width, height = images[0].size
    collage = Image.new("RGB", (width, height * len(chosen)))
    for row, k in enumerate(chosen.tolist()):
        collage.paste(images[k], (0, row * height))
    palette = collage.quantize(256, Image.Quantize.MEDIANCUT)
    return [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]


def _write_mp4(path: Path, frames: Iterable[Frame], fps: float, comment: str) -> None:
    """Stream frames through ffmpeg; the index comes first, so that browsers start at once."""
    ffmpeg, frames = import_ffmpeg(), iter(frames)
    first = _even(next(frames))
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "video.mp4"
        writer = ffmpeg.write_frames(
            str(whole), first.shape[1::-1], fps=fps, codec="libx264", quality=None,
            macro_block_size=2, ffmpeg_log_level="error",
            output_params=["-crf", str(_CRF), "-preset", "medium", "-movflags", "+faststart",
                           "-metadata", f"comment={comment}"],
        )  # fmt: skip
        writer.send(None)
        for frame in chain([first], map(_even, frames)):
            writer.send(np.ascontiguousarray(frame))
        writer.close()
        with atomic_file(path) as file, whole.open("rb") as content:
            shutil.copyfileobj(content, file)


def _even(frame: Frame) -> Frame:
    """The frame, its last row and column doubled where their number is odd: H.264 needs pairs."""
    height, width = frame.shape[:2]
    return np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")


def import_ffmpeg() -> ModuleType:
    """Import imageio-ffmpeg, which brings an ffmpeg of its own.

    Raises:
        UserError: If it is not installed.
    """
    try:
        import imageio_ffmpeg
    except ImportError as error:
        raise UserError(
            "an .mp4 needs imageio-ffmpeg, run: pip install -e .[viz]; or write a .webp or a .gif"
        ) from error
    return imageio_ffmpeg
