"""Files of a web server or an object store, fetched whole and checked, by fsspec."""

import asyncio
import hashlib
import json
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeVar

from im2mesh.errors import Advice, UserError

TRIES = 4
FIRST_PAUSE = 0.5  # seconds before the second try; each later pause is twice as long
SILENCE = 30.0  # seconds without a byte, after which a web server counts as stalled
MOST_JSON = 2**30  # bytes that a file of JSON may have
_BLOCK = 2**20
_REFUSALS, _GONE = (401, 403), 410
"""Status of answers of web servers that asking again does not change."""
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
        OSError: If the open file cannot be written, as on a full disk.
        UserError: If the address cannot be understood, or a package is missing.
    """

    def attempt() -> None:
        with _our_file():
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
        RemoteError: If there is none, it cannot be had in `TRIES` tries, or it is not JSON.
        UserError: If the address cannot be understood, or a package is missing.
    """

    absent = f"there is no {url}; scripts/stream.py publish writes it"
    text = _persist(url, lambda: b"".join(_blocks(url, MOST_JSON)), absent)
    try:
        if len(text) > MOST_JSON:
            raise ValueError(f"it has more than {MOST_JSON} bytes")
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RemoteError(f"{url} is not JSON ({error}); look after the address") from error


class _OwnFileError(Exception):
    """A failure of the file that is written, and not of the server; its cause is the error."""


@contextmanager
def _our_file() -> Iterator[None]:
    """Where only the file that is written can fail."""
    try:
        yield
    except OSError as error:
        raise _OwnFileError from error


def _persist(url: str, attempt: Callable[[], T], absent: str) -> T:
    """What an attempt to fetch a file returns. After a failure of the server it is made again,
    which is told.

    Args:
        absent: What to say if there is no such file.

    Raises:
        RemoteError: If `TRIES` attempts fail, or at once if the server says no.
    """
    reason = ""
    for number in range(TRIES):
        if number:
            warnings.warn(f"{url}: {reason}; it is asked for again", Advice, stacklevel=1)
            time.sleep(FIRST_PAUSE * 2 ** (number - 1))
        try:
            return attempt()
        except _OwnFileError as error:
            raise error.__cause__ or error from None
        except (UserError, MemoryError):
            raise
        except Exception as error:  # each kind of server fails in ways of its own
            if isinstance(error, FileNotFoundError) or getattr(error, "status", None) == _GONE:
                raise RemoteError(absent) from error
            reason = _reason(error)
            if isinstance(error, PermissionError) or getattr(error, "status", None) in _REFUSALS:
                raise RemoteError(
                    f"the server refuses {url} ({reason}); look after its permissions"
                ) from error
    raise RemoteError(
        f"{url} could not be fetched in {TRIES} tries ({reason}); look after the server and the "
        "network, then run the same command again"
    )


def _reason(error: Exception) -> str:
    """In one line."""
    if isinstance(error, TimeoutError | asyncio.TimeoutError):
        return f"nothing came for {SILENCE:g} s"
    return " ".join(str(error).split()) or type(error).__name__


def describe(path: Path) -> RemoteFile:
    """What a file on this disk is like."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
        return RemoteFile(file.tell(), digest.hexdigest())


def _is_web(url: str) -> bool:
    return url.startswith(("http://", "https://"))


def _copy(url: str, target: IO[bytes], most: int) -> RemoteFile:
    """Returns what came, at most one block more than expected."""
    digest, size = hashlib.sha256(), 0
    for block in _blocks(url, most):
        with _our_file():
            target.write(block)
        digest.update(block)
        size += len(block)
    return RemoteFile(size, digest.hexdigest())


def _blocks(url: str, most: int) -> Iterator[bytes]:
    """The content of a file, piece by piece as it comes, until it is more than `most` bytes."""
    size = 0
    with _open(url) as source:
        while size <= most and (block := source.read(_BLOCK)):
            size += len(block)
            yield block


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
        # any size, so that the server is not asked for it, which would be a request more
        return system.open(place, "rb", block_size=0, size=1)
    except ImportError as error:
        raise UserError(
            f"fetching {url} needs other packages ({error}), run: pip install -e '.[stream]'; an "
            "object store also needs that of its own, such as s3fs"
        ) from error
    except ValueError as error:
        if "Protocol not known" not in str(error):
            raise
        raise UserError(f"{url} begins with no known kind of server; give http://...") from error
