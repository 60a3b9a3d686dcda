"""The numbered files of a folder, such as 00000.ply: one way to find them, wherever frames lie."""

import os
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

PACKED = "gz"
"""The ending that stands behind the ending of a format."""
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
        digits = zip(*(words[1::2] for words in parts), strict=True)
        columns = [[int(number) for number in column] for column in digits]
        differing = [column for column in columns if len(set(column)) > 1] or columns[-1:]
        if len(differing) == 1:
            _refuse_fractions(folder, parts, columns.index(differing[0]), names)
            return differing[0]
    if all(not words[-1] for words in parts):  # all end in a number
        return [int(words[-2]) for words in parts]
    raise NumberedFilesError(
        f"{folder}: it is not plain which number of {listed(names)} is the frame; give the files "
        "of the frames names that differ in one number, and move others away"
    )


def _refuse_fractions(
    folder: Path, parts: list[list[str]], column: int, names: Collection[str]
) -> None:
    """Refuse t_0.5 and t_0.25, where 5 is less than 25 only as a whole number."""
    is_after_point = column > 0 and parts[0][2 * column] == "."
    widths = {len(words[2 * column + 1]) for words in parts}
    if is_after_point and len(widths) > 1:
        raise NumberedFilesError(
            f"{folder}: the numbers of {listed(names)} may be fractions; number the frames 0, 1, "
            "2, ..."
        )
