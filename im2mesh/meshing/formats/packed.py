"""Files that gzip has compressed, such as .ply.gz, unpacked beside no other file and within bounds.

The standard library checks the checksum, and joins the members of a file that has several.
"""

import gzip
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MAX_UNPACKED = 2**26  # bytes; a file may always unpack to so much ...
MAX_RATIO = 64  # ... or to so many times its own size; meshes as text pack to about a fifth
_BLOCK = 2**20


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """The unpacked file, in a temporary folder of its own.

    Raises:
        ValueError: If the file is damaged, or unpacks to more than it should.
    """
    most = max(MAX_UNPACKED, MAX_RATIO * path.stat().st_size)
    with tempfile.TemporaryDirectory() as folder:
        inner = Path(folder) / path.stem
        try:
            _unpack(path, inner, most)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise ValueError(f"it is no intact gzip file ({error})") from error
        yield inner


def _unpack(path: Path, inner: Path, most: int) -> None:
    size = 0
    with gzip.open(path) as source, inner.open("wb") as target:
        while block := source.read(_BLOCK):
            size += len(block)
            if size > most:
                raise ValueError(
                    f"it unpacks to more than {most} bytes, {MAX_RATIO} times its size; "
                    "unpack it if you trust it"
                )
            target.write(block)
