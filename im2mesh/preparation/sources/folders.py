"""Folders of a source that hold the frames of a clip, and the names that clips get from them."""

import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path

from im2mesh.files.numbered import split_name


def folders_with(source: Path, endings: Collection[str]) -> list[Path]:
    """The folder and those below it that hold numbered files with one of the endings, sorted.

    Hidden folders are left alone.
    """
    return [place for place, names in _walk(source) if any(_is_frame(n, endings) for n in names)]


def files_below(source: Path, endings: Collection[str]) -> list[Path]:
    """The files with one of the endings (".glb") in a folder and below, sorted.

    Hidden files and folders are left alone: ._a.glb is not a second a.glb.
    """
    return sorted(
        place / name
        for place, names in _walk(source)
        for name in names
        if Path(name).suffix.lower() in endings
    )


def _walk(source: Path) -> Iterator[tuple[Path, list[str]]]:
    """Each folder and its files, without those that are hidden."""
    for place, folders, names in os.walk(source, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield Path(place), [name for name in names if not name.startswith(".")]


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
    return ending in endings and re.search("[0-9]", stem) is not None
