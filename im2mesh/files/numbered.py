"""The numbered files of a folder, such as 00000.ply: one way to find them, wherever frames lie."""

import os
import re
from collections.abc import Collection
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

PACKED = "gz"
"""The ending that stands behind the ending of a format."""
READ_FORMATS = ("ply", "off", "obj", "glb", "gltf", "stl", "xyz", "pcd", "las")
READ_ENDINGS = (*READ_FORMATS, *(f"{name}.{PACKED}" for name in READ_FORMATS))
"""Of files of meshes and point clouds that are read: `meshing.io` has a reader for each format."""
NUM_SHOWN = 8  # names in a message


class NumberedFilesError(ValueError):
    """It is not plain which file is which frame. The message names the folder and the files."""


@dataclass(frozen=True)
class NumberedFiles:
    """The frames that a folder holds.

    Attributes:
        names: Frame number -> file name, sorted by number.
        others: What else lies there and was not understood, sorted; without hidden names.
    """

    names: dict[int, str]
    others: tuple[str, ...]


def find_numbered(folder: Path, endings: Collection[str]) -> NumberedFiles:
    """Find the numbered files with one of the endings (lower case, without a dot).

    The number is the one that differs between the names (inputs_3_deformed.ply), or else the one
    that ends them. Names that begin with a dot belong to other programs and are left alone.

    Raises:
        NumberedFilesError: If two files have the same number, it is not plain which number counts,
            or a folder has the name of a file.
    """
    found: dict[str, bool] = {}  # name -> whether it is a folder
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.name.startswith("."):
                found[entry.name] = entry.is_dir()
    parts = {name: split_name(name) for name in sorted(found)}
    stems = {name: stem for name, (stem, ending) in parts.items() if ending in endings}
    kept = {name: stem for name, stem in stems.items() if re.search("[0-9]", stem)}
    for name in kept:
        if found[name]:
            raise NumberedFilesError(f"{folder / name} is a folder, expected a file; move it away")
    others = tuple(sorted(found.keys() - kept.keys()))
    return NumberedFiles(_by_number(folder, kept), others)


def refuse_holes(folder: Path, files: NumberedFiles, way_out: str) -> None:
    """Refuse frames that are not evenly spaced: one is missing, and all after it would shift.

    Raises:
        NumberedFilesError: With the missing number, and with what was not understood.
    """
    spacing = min((b - a for a, b in pairwise(files.names)), default=1)
    for before, after in pairwise(files.names):
        if after - before != spacing:
            also = f" (it also holds {listed(files.others)})" if files.others else ""
            raise NumberedFilesError(
                f"{folder} has frames {before} and {after} but no frame {before + spacing}{also}; "
                f"{way_out}"
            )


def refuse_none(folder: Path, files: NumberedFiles, endings: Collection[str]) -> None:
    """Refuse a folder without frames.

    Raises:
        NumberedFilesError: With the endings that frames may have, and what lies there instead.
    """
    if not files.names:
        raise NumberedFilesError(
            f"{folder} holds no numbered .{', .'.join(endings)} file, but {listed(files.others)}"
        )


def listed(names: Collection[str]) -> str:
    """The first names of some, for a message; "nothing" for none."""
    shown = sorted(names)[:NUM_SHOWN]
    more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
    return f"{', '.join(shown)}{more}" if shown else "nothing"


def split_name(name: str) -> tuple[str, str]:
    """Stem and ending of a file name, the ending in lower case and with what .gz has packed.

    Example:
        >>> split_name("meshes_7.PLY.gz")
        ('meshes_7', 'ply.gz')
    """
    path = Path(name)
    ending = path.suffix.lower()[1:]
    if ending == PACKED:
        path = Path(path.stem)
        ending = f"{path.suffix.lower()[1:]}.{PACKED}"
    return path.stem, ending


def _by_number(folder: Path, stems: dict[str, str]) -> dict[int, str]:
    found: dict[int, str] = {}
    for name, number in zip(stems, _numbers(folder, list(stems.values()), stems), strict=True):
        if number in found:
            raise NumberedFilesError(
                f"{folder}: {found[number]} and {name} are both frame {number}; keep one file per "
                "frame"
            )
        found[number] = name
    return dict(sorted(found.items()))


def _numbers(folder: Path, stems: list[str], names: Collection[str]) -> list[int]:
    """The frame number in each stem: where all differ in one number, that one."""
    parts = [re.split("([0-9]+)", stem) for stem in stems]  # words and numbers in turn
    if len({tuple(words[::2]) for words in parts}) == 1:
        columns = _columns(parts)
        differing = [column for column in columns if len(set(column)) > 1] or columns[-1:]
        if len(differing) == 1:
            _refuse_fractions(folder, parts, columns.index(differing[0]), names)
            return differing[0]
    if all(not words[-1] for words in parts):  # all end in a number
        _refuse_fractions(folder, parts, -1, names)
        if len({len(words) for words in parts}) <= 1 and _sort_alike(_columns(parts)):
            return [int(words[-2]) for words in parts]
    raise NumberedFilesError(
        f"{folder}: it is not plain which number of {listed(names)} is the frame; give the files "
        "of the frames names that differ in one number, and move others away"
    )


def _columns(parts: list[list[str]]) -> list[list[int]]:
    """First numbers of all stems, second numbers of all, and so on."""
    return [[int(text) for text in texts] for texts in zip(*(w[1::2] for w in parts), strict=True)]


def _sort_alike(columns: list[list[int]]) -> bool:
    """Whether no number falls where the last one rises, as in scan1_0, scan1_1, scan2_2."""
    rows = sorted(zip(*columns, strict=True), key=lambda row: row[-1])
    return all(list(column) == sorted(column) for column in zip(*rows, strict=True))


def _refuse_fractions(
    folder: Path, parts: list[list[str]], column: int, names: Collection[str]
) -> None:
    """Refuse t_0.5 and t_0.25, where 5 is less than 25 only as a whole number; t_1 and t_0.5; and
    t_-1, which as a whole number comes after t_0."""
    numbers = [words[1::2][column] for words in parts]
    before = [words[:-1:2][column] for words in parts]  # the word in front of each number
    is_point = [word == "." for word in before]
    has_point = any(is_point) and not (all(is_point) and len(set(map(len, numbers))) == 1)
    if has_point or any(re.search("(^|[^0-9A-Za-z])-$", word) for word in before):
        raise NumberedFilesError(
            f"{folder}: the numbers of {listed(names)} may be fractions or negative; number the "
            "frames 0, 1, 2, ..."
        )
