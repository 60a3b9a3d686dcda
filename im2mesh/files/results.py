"""Tables and pictures of results: known by the origin that each states, and replaced only then."""

import re
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from PIL import Image, PngImagePlugin, UnidentifiedImageError

from im2mesh.errors import UserError
from im2mesh.files.mp4_boxes import read_comment
from im2mesh.files.written import adopt, refuse_foreign, replacing_files

ORIGIN_KEY = "Source"
"""Key of the metadata of a PNG under which the origin stands; it begins the comment of a video."""
VIDEO_ENDINGS = (".mp4", ".gif", ".webp")
DESCRIPTION_TAG = 0x010E
"""ImageDescription in EXIF, where a WebP has its comment."""
ORIGIN_IN_TEXT = {
    ".md": r"^(## Origins|Origin [0-9a-f]+\b)",
    ".csv": r"\A[^\n]+,origins?\n",
    ".json": r'^  "origin": \{',
    ".html": r'^<p class="note origin">Origins$',
}
"""Ending of a file name -> how the origin looks there."""


def replacing_results(folder: Path, names: Sequence[str]) -> AbstractContextManager[Path]:
    """Write tables and pictures into the folder that is given (see `replacing_files`).

    Raises:
        UserError: As `refuse_other_results`.
    """
    refuse_other_results(folder, names)
    return replacing_files(folder, names)


def refuse_other_results(folder: Path, names: Sequence[str]) -> None:
    """Refuse a folder in which files of somebody else have one of the names.

    Raises:
        UserError: With the names of these files.
    """
    adopt(folder, [name for name in names if states_origin(folder / name)])
    refuse_foreign(folder, names.__contains__)


def refuse_other_picture(path: Path) -> None:
    """Refuse to replace a picture, or any other file, that states no origin.

    Raises:
        UserError: If there is such a file.
    """
    if path.exists() and not states_origin(path):
        raise UserError(
            f"{path} exists and does not say what made it, so this program did not write it; "
            "choose another --output, or move it away"
        )


def states_origin(path: Path) -> bool:
    """Whether a file says what made it, as all tables and pictures of this program do."""
    if not path.is_file():
        return False
    if path.suffix.lower() == ".png":
        return ORIGIN_KEY in _metadata(path)
    if path.suffix.lower() in VIDEO_ENDINGS:
        return _video_comment(path).startswith(f"{ORIGIN_KEY}: ")
    if path.suffix == ".npz":
        if not zipfile.is_zipfile(path):
            return False
        with zipfile.ZipFile(path) as archive:
            return "origin.npy" in archive.namelist()
    pattern = ORIGIN_IN_TEXT.get(path.suffix)
    text = path.read_text("utf-8", errors="replace") if pattern else ""
    return pattern is not None and re.search(pattern, text, re.MULTILINE) is not None


def comment_of(origin: str) -> str:
    """The comment that a video has: its origin, under the key of all pictures."""
    return f"{ORIGIN_KEY}: {origin}"


def _video_comment(path: Path) -> str:
    """The comment of a video; empty for a file that is none."""
    if path.suffix.lower() == ".mp4":
        return read_comment(path)
    try:
        with Image.open(path) as image:
            comment = image.info.get("comment", b"")
            if image.format == "WEBP":
                comment = image.getexif().get(DESCRIPTION_TAG, "")
    except (UnidentifiedImageError, ValueError, SyntaxError, Image.DecompressionBombError):
        return ""
    return comment.decode("utf-8", "replace") if isinstance(comment, bytes) else str(comment)


def _metadata(path: Path) -> Iterator[str]:
    """The keys of the texts in a PNG; none for a file that is no PNG."""
    try:
        with Image.open(path) as image:
            if isinstance(image, PngImagePlugin.PngImageFile):
                yield from image.text
    except (UnidentifiedImageError, ValueError, SyntaxError, Image.DecompressionBombError):
        return  # then it is not ours
