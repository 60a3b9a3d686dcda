"""Which files of a folder this program wrote: it replaces and removes those, and no others.

A hidden file in the folder notes their names and contents. A file that somebody has put there, or
has changed, is not in the note; so it stays, or the folder is refused.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from im2mesh.errors import UserError
from im2mesh.files.atomic import write_json
from im2mesh.files.numbered import listed

NOTE = ".written_by_im2mesh.json"
UNFINISHED = ".unfinished_of_im2mesh_"
"""Begins the names of the folders in which files lie until all are written."""
CHUNK = 2**20  # bytes read at once

Note = dict[str, str]
"""Name of a file -> its size, time of change (ns) and hash of content, with blanks between."""


@contextmanager
def replacing_files(
    folder: Path, names: Sequence[str], conflicts: Callable[[str], bool] = lambda name: False
) -> Iterator[Path]:
    """Write files into the folder that is given; then they replace those of an earlier time.

    They are noted before they get their place, so a write that is killed leaves neither half a file
    nor a note of a file that is not there.

    Args:
        folder: The folder; made if it is missing.
        names: Names of the files that will be written, in the order in which they appear.
        conflicts: Whether other files with that name would mix with ours.

    Raises:
        UserError: If a file that this program did not write has one of the names, or conflicts.
    """

    def is_in_the_way(name: str) -> bool:
        return name in names or conflicts(name)

    refuse_foreign(folder, is_in_the_way)
    with _unfinished(folder) as place:
        yield place
        refuse_foreign(folder, is_in_the_way)  # those that came meanwhile
        _remove(folder, is_in_the_way)
        _add_to_note(folder, {name: _entry(place / name) for name in names})
        for name in names:
            (place / name).replace(folder / name)


def refuse_foreign(folder: Path, conflicts: Callable[[str], bool]) -> None:
    """Refuse a folder with visible files that conflict and that this program did not write.

    Raises:
        UserError: With the names of these files; or if a file lies where the folder should be.
    """
    there = next((path for path in (folder, *folder.parents) if path.exists()), folder)
    if there.exists() and not there.is_dir():
        raise UserError(
            f"{there} is a file where a folder should be; move it, or choose another folder"
        )
    wrong = _foreign(folder, conflicts)
    if wrong and (wrong := _foreign(folder, conflicts)):  # another process may have just moved them
        raise UserError(
            f"{folder} holds {listed(wrong)}, not noted as written by this program, or changed "
            "since; choose another folder, or move these files away"
        )


def _foreign(folder: Path, conflicts: Callable[[str], bool]) -> list[str]:
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    note = _read_note(folder)
    wrong = [name for name in names if not name.startswith(".") and conflicts(name)]
    return [name for name in wrong if not _is_ours(folder / name, note)]


def is_written(path: Path) -> bool:
    """Whether this program wrote a file, and nobody has changed it since."""
    return _is_ours(path, _read_note(path.parent))


def remove_written(folder: Path) -> None:
    """Remove the files that this program wrote into a folder, and the folder if it is empty."""
    if (folder / NOTE).exists():
        _remove(folder, lambda name: True)
        (folder / NOTE).unlink(missing_ok=True)
        _remove_if_empty(folder)


def written_names(folder: Path) -> list[str]:
    """Names of the files in a folder that this program wrote and nobody has changed since."""
    note = _read_note(folder)
    return [name for name in sorted(note) if _is_ours(folder / name, note)]


def adopt(folder: Path, names: Collection[str]) -> None:
    """Count files as written by this program, if they are there and the folder has no note: those
    of version 0.1.0, which wrote none. The caller knows them by what lies beside or in them."""
    if folder.is_dir() and not (folder / NOTE).exists():
        found = [name for name in names if _is_plain_file(folder / name)]
        _add_to_note(folder, {name: _entry(folder / name) for name in found})


@contextmanager
def _unfinished(folder: Path) -> Iterator[Path]:
    """A hidden folder inside another, of which nothing remains."""
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(f"{UNFINISHED}*"):
        shutil.rmtree(left, ignore_errors=True)  # of a process that was killed
    try:
        with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=folder) as place:
            yield Path(place)
    finally:
        _remove_if_empty(folder)


def _remove(folder: Path, is_meant: Callable[[str], bool]) -> None:
    note = _read_note(folder)
    present = {path.name for path in folder.iterdir()} if note else set()
    for name in filter(is_meant, sorted(note.keys() & present)):  # others may be no names at all
        if _is_ours(folder / name, note):
            (folder / name).unlink()


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):  # it holds files
        folder.rmdir()


def _is_ours(path: Path, note: Note) -> bool:
    if path.name not in note or not _is_plain_file(path):
        return False
    if note[path.name].startswith(_stamp(path)):
        return True
    return note[path.name].endswith(_hash(path))  # a copy has another time of change


def _is_plain_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _read_note(folder: Path) -> Note:
    """The note of a folder; empty without one. Names in it that lead elsewhere do not count."""
    try:
        note = json.loads((folder / NOTE).read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError, RecursionError):
        return {}  # then every file there counts as somebody else's
    entries = note.items() if isinstance(note, dict) else ()
    return {
        name: entry
        for name, entry in entries
        if Path(name).name == name and isinstance(entry, str) and len(entry.split()) == 3
    }


def _add_to_note(folder: Path, entries: Note) -> None:
    """Note files beside those noted before; the others that are gone are forgotten."""
    kept = {name: entry for name, entry in _read_note(folder).items() if (folder / name).exists()}
    if kept or entries:
        write_json(folder / NOTE, {**kept, **entries})


def _entry(path: Path) -> str:
    return f"{_stamp(path)}{_hash(path)}"


def _stamp(path: Path) -> str:
    status = path.stat()
    return f"{status.st_size} {status.st_mtime_ns} "


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for chunk in _chunks(file):
            digest.update(chunk)
    return digest.hexdigest()


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(CHUNK):
        yield chunk
