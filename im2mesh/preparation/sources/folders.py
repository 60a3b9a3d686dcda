"""Folders of a source that hold the frames of a clip, and the names that clips get from them."""

import os
import re
from collections.abc import Collection
from pathlib import Path

from im2mesh.files.numbered import split_name


def folders_with(source: Path, endings: Collection[str]) -> list[Path]:
    """The folder and those below it that hold numbered files with one of the endings, sorted.

    Hidden folders are left alone.
    """
    found = []
    for place, folders, names in os.walk(source, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if any(_is_frame(name, endings) for name in names):
            found.append(Path(place))
    return found


def clip_name(source: Path, folder: Path) -> str:
    """The name of the folder of a clip, after those of the folders above it in the source.

    Example:
        >>> clip_name(Path("cape"), Path("cape/00032/shortlong_hips"))
        '00032_shortlong_hips'
    """
    parts = folder.relative_to(source).parts or (source.resolve().name,)
    return "_".join(parts)


def _is_frame(name: str, endings: Collection[str]) -> bool:
    stem, ending = split_name(name)
    return not name.startswith(".") and ending in endings and re.search("[0-9]", stem) is not None
