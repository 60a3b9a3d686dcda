"""Splits from lists of clip names that a user gives, and the split files of a data set."""

import warnings
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from im2mesh.data.layout import check_name
from im2mesh.errors import Advice, UserError
from im2mesh.files.numbered import listed
from im2mesh.files.written import is_written, replacing_files


def read_lists(paths: Sequence[Path]) -> dict[str, list[str]]:
    """Splits from text files, one per split and named after it, with one clip a line.

    A line may be the path of a clip, such as animals/bear_attack/bear_attack.anime: its last part
    counts, without the ending. Empty lines do not count.

    Raises:
        UserError: If a file is missing or no text, names no clip, or two are of one split.
    """
    splits: dict[str, list[str]] = {}
    for path in paths:
        if path.stem in splits:
            raise UserError(f"--lists names split {path.stem} twice; give one file per split")
        check_name(path.stem, "split")
        try:
            lines = [line.strip() for line in path.read_text("utf-8").splitlines()]
        except FileNotFoundError as error:
            raise UserError(f"no list of clips at {path}; give a text file of names") from error
        except UnicodeDecodeError as error:
            raise UserError(f"{path} is not text in UTF-8 ({error}); write it again") from error
        names = [_clip_of(line) for line in lines if line]
        if not names:
            raise UserError(f"{path} names no clip; write one name a line")
        splits[path.stem] = names
    return splits


def refuse_unknown(splits: Mapping[str, Collection[str]], known: Collection[str]) -> None:
    """Refuse lists with clips that the source does not have.

    Raises:
        UserError: With their names.
    """
    for split, names in splits.items():
        unknown = set(names) - set(known)
        if unknown:
            raise UserError(
                f"the list of split {split} names {listed(unknown)}, which the source does not "
                f"have; it has {listed(known)}; correct the list, or name the whole source"
            )


def write_splits(folder: Path, splits: Mapping[str, Sequence[str]]) -> None:
    """Write split files. One that somebody else wrote, or changed, stays as it is."""
    for name, clips in splits.items():
        path = folder / f"{name}.lst"
        text = "".join(f"{clip}\n" for clip in clips).encode()
        if path.exists() and path.read_bytes() == text:
            continue
        if path.exists() and not is_written(path):
            warnings.warn(
                f"{path} stays as it is, which is not how this script wrote it; remove it and run "
                "the same command again for the split of this script",
                Advice,
                stacklevel=3,
            )
            continue
        with replacing_files(folder, [path.name]) as place:
            (place / path.name).write_bytes(text)


def _clip_of(line: str) -> str:
    """
    >>> _clip_of("animals/bear_attack/bear_attack.anime"), _clip_of("bear_attack")
    ('bear_attack', 'bear_attack')
    """
    return line.replace("\\", "/").rstrip("/").rpartition("/")[2].removesuffix(".anime")
