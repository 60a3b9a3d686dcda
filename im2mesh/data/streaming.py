"""Folders of data that fill themselves: packed files are fetched from a server on their first use.

A streamed folder looks like a data set with packed clips of which some files are missing, and holds
a note that says where they are. Whoever opens a missing file has it fetched; all else reads the
same files in the same order as from a disk.
"""

import functools
import json
import time
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from im2mesh.data.catalogue import (
    CATALOGUE,
    STREAMED,
    Catalogue,
    StreamedClip,
    parse_catalogue,
)
from im2mesh.errors import UserError
from im2mesh.files.atomic import atomic_file, write_json, write_text
from im2mesh.files.byte_locks import MAX_BYTE, lock_byte
from im2mesh.files.remote import RemoteFile, fetch_file, read_remote_json
from im2mesh.files.sizes import in_words

NOTE = "stream.json"
"""In a streamed folder: the address, the most bytes it may hold, and the catalogue."""
_LOCK = ".stream.lock"
_PAUSE = 0.02  # seconds between two looks at a lock


@dataclass(frozen=True)
class Stream:
    """A streamed folder.

    Attributes:
        root: The folder.
        url: Address of the data set that is served.
        max_bytes: So much may the packed files take here; null for all.
        catalogue: What is served.
    """

    root: Path
    url: str
    max_bytes: int | None
    catalogue: Catalogue

    def fetch(self, path: Path) -> bool:
        """Fetch a packed file to its place. Of several processes one does, and the others wait.

        Returns:
            Whether it is served.

        Raises:
            RemoteError: If it cannot be had. Then there is no such file, not even a part of it.
        """
        expected = self._expected(path)
        if expected is None:
            return False
        name = path.relative_to(self.root).as_posix()
        with (self.root / _LOCK).open("ab") as lock:
            while not lock_byte(lock, zlib.crc32(name.encode()) % MAX_BYTE):
                time.sleep(_PAUSE)
            if not path.is_file():
                with atomic_file(path) as file:
                    fetch_file(f"{self.url}/{name}", file, expected)
                if self.max_bytes is not None:
                    self._make_room(path)
        return True

    def clip(self, folder: Path) -> StreamedClip | None:
        """A clip by its folder."""
        return self.catalogue.clips.get(f"{folder.parent.name}/{folder.name}")

    def _expected(self, path: Path) -> RemoteFile | None:
        clip = self.clip(path.parent)
        return None if clip is None else clip.files.get(path.name)

    def _make_room(self, kept: Path) -> None:
        """Remove the packed files that were fetched longest ago, and will be fetched again. Windows
        come in random order, so no file is likelier to be needed than another."""
        assert self.max_bytes is not None
        found = []
        for path in self.root.glob("*/*/*.npz"):
            with suppress(FileNotFoundError):  # another process removed it
                if self._expected(path) is not None:
                    found.append((path.stat().st_mtime_ns, path.stat().st_size, path))
        total = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if total <= self.max_bytes:
                return
            if path != kept:
                path.unlink(missing_ok=True)
                total -= size


def open_stream(url: str, root: Path, max_bytes: int | None = None) -> Stream:
    """Make a streamed folder, or look for news in one: fetches the catalogue, and no clip.

    Raises:
        UserError: If the folder holds other data, there is no catalogue, the data that are served
            changed, or the largest files do not fit into `max_bytes`.
    """
    url = url.rstrip("/")
    catalogue = parse_catalogue(read_remote_json(f"{url}/{CATALOGUE}"), f"{url}/{CATALOGUE}")
    largest = max(sum(f.size for f in clip.files.values()) for clip in catalogue.clips.values())
    if max_bytes is not None and max_bytes < largest:
        raise UserError(
            f"the largest clip takes {in_words(largest)}, and {in_words(max_bytes)} were given; "
            "give room for several clips for each process that reads"
        )
    if (root / NOTE).is_file():
        _refuse_changes(_read(root), catalogue, url)
    elif root.exists() and any(root.glob("[!.]*")):
        raise UserError(f"{root} holds other files; choose a folder that does not exist yet")
    for name in catalogue.clips:
        (root / name).mkdir(parents=True, exist_ok=True)
    for name, text in catalogue.lists.items():
        write_text(root / name, text)
    write_json(root / NOTE, {"url": url, "max_bytes": max_bytes, **catalogue.to_json()})
    forget_streams()
    return _read(root)


def stream_of(path: Path) -> Stream | None:
    """The stream that a packed file, or the folder of a clip's frames, belongs to."""
    return _stream(str(path.parent.parent.parent))


def is_streamed(path: Path) -> bool:
    """Whether a packed file is served, be it here already or not."""
    stream = stream_of(path) if path.name in STREAMED else None
    return stream is not None and stream._expected(path) is not None


def fetch(path: Path) -> bool:
    """Fetch a file that is not there, if it belongs to a stream; whether it does.

    Raises:
        RemoteError: As `Stream.fetch`.
    """
    stream = stream_of(path)
    return stream is not None and stream.fetch(path)


def streamed_clip(folder: Path) -> StreamedClip | None:
    """What is known of a clip that is served; None for one that is not."""
    stream = _stream(str(folder.parent.parent))
    return None if stream is None else stream.clip(folder)


def forget_streams() -> None:
    """Look for notes anew."""
    _stream.cache_clear()


@functools.lru_cache(maxsize=64)
def _stream(root: str) -> Stream | None:
    return _read(Path(root)) if (Path(root) / NOTE).is_file() else None


def _read(root: Path) -> Stream:
    note = root / NOTE
    try:
        content = json.loads(note.read_text("utf-8"))
        url, most = str(content["url"]), content["max_bytes"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(
            f"{note} is damaged ({error}); remove it and its folder, then open the stream again "
            "with scripts/stream.py open"
        ) from error
    return Stream(root, url, most, parse_catalogue(content, str(note)))


def _refuse_changes(known: Stream, catalogue: Catalogue, url: str) -> None:
    """New clips and splits are welcome; clips that were seen must stay what they were."""
    changed = [
        name for name, clip in known.catalogue.clips.items() if catalogue.clips.get(name) != clip
    ]
    if changed:
        raise UserError(
            f"{changed[0]} of {url} is not what it was when {known.root} was made; choose another "
            "folder for the data that are served now"
        )
