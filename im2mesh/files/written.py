"""Which files of a folder this program wrote: it replaces and removes those, and no others.

A hidden file in the folder notes their names and contents. A file that somebody has put there, or
has changed, is not in the note; so it stays, or the folder is refused.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from im2mesh.errors import UserError
from im2mesh.files.atomic import write_json
from im2mesh.files.numbered import listed

NOTE = ".written_by_im2mesh.json"

Note = dict[str, str | None]
"""Name of a file -> hash of its content; None while it is being written."""


@contextmanager
def replacing_files(
    folder: Path, names: Sequence[str], conflicts: Callable[[str], bool] = lambda name: False
) -> Iterator[None]:
    """Write files inside; those of an earlier time in the folder are removed first.

    Args:
        folder: The folder; made if it is missing.
        names: Names of the files that will be written.
        conflicts: Whether files of other programs with that name would mix with ours.

    Raises:
        UserError: If a file that this program did not write has one of the names, or conflicts.
    """
    refuse_foreign(folder, lambda name: name in names or conflicts(name))
    remove_written(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / NOTE, dict.fromkeys(names))  # first, so that a killed write can be undone
    yield
    write_json(folder / NOTE, {name: _hash(folder / name) for name in names})


def refuse_foreign(folder: Path, conflicts: Callable[[str], bool]) -> None:
    """Refuse a folder with visible files that conflict and that this program did not write.

    Raises:
        UserError: With the names of these files.
    """
    note = _read_note(folder)
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    wrong = [
        name
        for name in names
        if not name.startswith(".") and conflicts(name) and not _is_ours(folder / name, note)
    ]
    if wrong:
        raise UserError(
            f"{folder} holds {listed(wrong)}, not noted as written by this program, or changed "
            "since; choose another folder, or move these files away"
        )


def remove_written(folder: Path) -> None:
    """Remove the files that this program wrote into a folder, and the folder if it is empty."""
    note = _read_note(folder)
    present = {path.name for path in folder.iterdir()} if note else set()
    for name in sorted(note.keys() & present):  # others may be no names of files at all
        if _is_ours(folder / name, note):
            (folder / name).unlink()
    if note:
        (folder / NOTE).unlink()
        with suppress(OSError):  # it holds other files
            folder.rmdir()


def _is_ours(path: Path, note: Note) -> bool:
    if path.name not in note or path.is_symlink() or not path.is_file():
        return False
    return note[path.name] in (None, _hash(path))


def _read_note(folder: Path) -> Note:
    """The note of a folder; empty without one. Names in it that lead elsewhere do not count."""
    try:
        note = json.loads((folder / NOTE).read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError, RecursionError):
        return {}  # then every file there counts as somebody else's
    entries = note.items() if isinstance(note, dict) else ()
    return {name: value for name, value in entries if Path(name).name == name}


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
