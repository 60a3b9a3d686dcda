"""Files of a web server or an object store, fetched whole and checked, by fsspec."""

import errno
import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeVar

from im2mesh.errors import UserError

TRIES = 4
FIRST_PAUSE = 0.5  # seconds before the second try; each later pause is twice as long
SILENCE = 30.0  # seconds without a byte, after which a web server counts as stalled
MOST_JSON = 2**30  # bytes that a file of JSON may have
_BLOCK = 2**20
_DISK_IS_FULL = {errno.ENOSPC, errno.EDQUOT}
T = TypeVar("T")


class RemoteError(UserError):
    """A file could not be fetched. The message names its address and the way out."""


class RemoteFile(NamedTuple):
    """What a file must be like: its size in bytes, and the SHA-256 of its content."""

    size: int
    sha256: str


def fetch_file(url: str, target: IO[bytes], expected: RemoteFile) -> None:
    """Write a file of a server into an open file, again from its start after a failure.

    Raises:
        RemoteError: If it cannot be had in `TRIES` tries, or is not as expected.
        OSError: If the disk is full.
    """

    def attempt() -> None:
        target.seek(0)
        target.truncate()
        found = _copy(url, target, expected.size)
        if found.size != expected.size:
            raise ValueError(f"{found.size} bytes came, {expected.size} were expected")
        if found != expected:
            raise ValueError("its content is not that of the catalogue")

    absent = (
        f"{url} is not on the server; write its catalogue anew with scripts/stream.py publish, or "
        "copy the file there"
    )
    _persist(url, attempt, absent)


def read_remote_json(url: str) -> Any:
    """The content of a file of JSON.

    Raises:
        RemoteError: If there is none, or it cannot be had in `TRIES` tries, or it is damaged.
    """

    def attempt() -> Any:
        with _open(url) as file:
            return json.loads(file.read(MOST_JSON))

    return _persist(url, attempt, f"there is no {url}; scripts/stream.py publish writes it")


def _persist(url: str, attempt: Callable[[], T], absent: str) -> T:
    """What an attempt to fetch a file returns. A failed one is made again after a pause, unless a
    later one cannot end in another way.

    Raises:
        RemoteError: If `TRIES` attempts fail; or, with the words of `absent`, if there is no file.
    """
    reason = ""
    for number in range(TRIES):
        if number:
            time.sleep(FIRST_PAUSE * 2 ** (number - 1))
        try:
            return attempt()
        except UserError:  # a package is missing
            raise
        except Exception as error:  # each kind of server fails in ways of its own
            if getattr(error, "errno", None) in _DISK_IS_FULL:
                raise
            if _is_absent(url, error):
                raise RemoteError(absent) from error
            reason = _reason(error)
    raise RemoteError(
        f"{url} could not be fetched in {TRIES} tries ({reason}); look after the server and the "
        "network, then run the same command again"
    )


def describe(path: Path) -> RemoteFile:
    """What a file on this disk is like."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
        return RemoteFile(file.tell(), digest.hexdigest())


def _is_absent(url: str, error: Exception) -> bool:
    """Whether the server says that there is no such file. fsspec also says so of a web server that
    cannot be reached or fails, but because of another error."""
    cause = error.__cause__
    if not isinstance(error, FileNotFoundError) or cause is None or not _is_web(url):
        return isinstance(error, FileNotFoundError)
    return isinstance(cause, FileNotFoundError) or getattr(cause, "status", None) == 404


def _reason(error: Exception) -> str:
    """In one line."""
    error = error.__cause__ if isinstance(error.__cause__, Exception) else error
    return " ".join(str(error).split()) or type(error).__name__


def _is_web(url: str) -> bool:
    return url.startswith(("http://", "https://"))


def _copy(url: str, target: IO[bytes], most: int) -> RemoteFile:
    """Returns what came, at most one block more than expected."""
    digest, size = hashlib.sha256(), 0
    with _open(url) as source:
        while size <= most and (block := source.read(_BLOCK)):
            target.write(block)
            digest.update(block)
            size += len(block)
    return RemoteFile(size, digest.hexdigest())


def _open(url: str) -> Any:
    """A file of a server, read from its start to its end, never ahead."""
    try:
        import fsspec  # an extra, as is what it needs for each kind of server

        if not _is_web(url):
            system, place = fsspec.url_to_fs(url)
            return system.open(place, "rb")
        from aiohttp import ClientTimeout

        waits = ClientTimeout(total=None, sock_connect=SILENCE, sock_read=SILENCE)
        system, place = fsspec.url_to_fs(url, client_kwargs={"timeout": waits})
        return system.open(place, "rb", block_size=0)
    except ImportError as error:
        raise UserError(
            f"fetching {url} needs other packages ({error}), run: pip install -e '.[stream]'; an "
            "object store also needs that of its own, such as s3fs"
        ) from error
