"""Files that are whole or not there: written under another name, then renamed."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any


@contextmanager
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for writing that gets its name only when everything is on disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def write_text(path: Path, content: str) -> None:
    """Write text as UTF-8 with plain line ends."""
    with atomic_file(path) as file:
        file.write(content.encode())


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write readable JSON."""
    write_text(path, json.dumps(content, indent=2) + "\n")
