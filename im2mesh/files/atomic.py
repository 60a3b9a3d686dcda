"""Files that are either complete or absent: written under another name, then renamed."""

import csv
import io
import json
import os
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np

TEMPORARY = ".tmp"
"""Ending of files that are being written."""


@contextmanager
def atomic_file(path: Path, previous: Path | None = None) -> Iterator[IO[bytes]]:
    """Open a file for writing that gets its name only when everything is on disk.

    Several processes may write the same name at once: one of them wins, as a whole.

    Args:
        path: Name of the file.
        previous: New name for a file that is there already; for an instant, only this one exists.

    Raises:
        OSError: If the file cannot be written; names it. An older file of that name is kept.
    """
    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex[:12]}{TEMPORARY}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if previous is not None and path.exists():
            path.replace(previous)
        temporary.replace(path)
    except OSError as error:
        if error.errno is None:
            raise
        # the error of a full disk does not name the file
        raise type(error)(error.errno, error.strerror, str(path)) from error
    finally:
        with suppress(FileNotFoundError, NotADirectoryError):
            temporary.unlink()
    flush_folder(path.parent)


def flush_folder(folder: Path) -> None:
    """Write the names in a folder to disk, or else a loss of power may undo a renaming. Windows
    cannot open folders; its file system keeps a journal of names."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_temporary_files(folder: Path) -> None:
    """Remove files that killed processes left half-written; no process may be writing there. Files
    of other programs, which end in the same way but are not named as `atomic_file` does, stay."""
    for path in folder.glob(f"*{TEMPORARY}"):
        if re.search(rf"\.[0-9a-f]{{12}}{re.escape(TEMPORARY)}$", path.name):
            path.unlink()


def write_text(path: Path, content: str) -> None:
    """Write text as UTF-8 with plain line ends."""
    with atomic_file(path) as file:
        file.write(content.encode())


def write_csv(path: Path, rows: Iterable[Sequence[object]]) -> None:
    """Write a table; the first row is the heading."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    write_text(path, text.getvalue())


def write_npz(path: Path, **members: np.ndarray) -> None:
    """Write arrays without compression, so that rows can be memory-mapped in place."""
    with atomic_file(path) as file:
        np.savez(file, **members)  # pyright: ignore[reportArgumentType]


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write readable JSON."""
    write_text(path, json.dumps(content, indent=2) + "\n")
