"""The files of a data set that list the clips of each split."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

from im2mesh.errors import Advice
from im2mesh.files.written import replacing_files, written_names
from im2mesh.synthesis.splits import Clip

Splits = Mapping[str, Sequence[Clip]]


def remove_outdated(folder: Path, splits: Splits) -> None:
    """Remove the lists of an earlier run that will change, before the clips change."""
    wanted = _lists(splits)
    for name in _ours(folder):
        if not _has_text(folder / name, wanted.get(name)):
            (folder / name).unlink()


def write_split_files(folder: Path, splits: Splits) -> None:
    """Write a list for each split. Lists that a user has made or changed stay, with a warning."""
    remove_outdated(folder, splits)
    wanted = _lists(splits)
    missing = [name for name in wanted if not (folder / name).exists()]
    with replacing_files(folder, missing) as place:
        for name in missing:
            (place / name).write_bytes(wanted[name])
    for name, text in wanted.items():
        if not _has_text(folder / name, text):
            warnings.warn(
                f"{folder / name} stays as it is, which is not how this script wrote it; remove it "
                "and run the same command again for the split of this script",
                Advice,
                stacklevel=3,
            )


def _lists(splits: Splits) -> dict[str, bytes]:
    """Name of each file -> its content."""
    return {
        f"{split}.lst": "".join(f"{clip.name}\n" for clip in clips).encode()
        for split, clips in splits.items()
    }


def _ours(folder: Path) -> list[str]:
    return [name for name in written_names(folder) if name.endswith(".lst")]


def _has_text(path: Path, text: bytes | None) -> bool:
    return path.is_file() and path.read_bytes() == text
