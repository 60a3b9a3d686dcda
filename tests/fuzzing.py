"""Damage real files and read them, under limits of memory and time: a program of its own.

    python -m tests.fuzzing --examples 300 [--seed 1] ply off

It runs apart from pytest, because the limit of memory holds for the whole process, and because
shapes are not checked outside of tests.
"""

import argparse
import contextlib
import faulthandler
import json
import random
import re
import resource
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from im2mesh.errors import Advice
from tests.readers import READERS, Reader, Sample, forget_files

GIB = 2**30
MEMORY = GIB // 2  # bytes that a reader may take beyond what the process has at the start
GROWTH = 256 * 2**20  # bytes of real memory that one small file may cost
DEADLINE = 2  # seconds of this process for one file
HANG = 30  # seconds after which the process ends with a traceback
HUGE = [b"\xff" * 8, b"\xff" * 4, b"\xff\xff\xff\x7f", b"\0\x10\xa5\xd4\xe8\0\0\0", b"\0" * 4]
NUMBERS = [
    b"1000000000000", b"-1", b"0", b"1e999", b"nan", b"inf", b"1.5", b"9" * 30, b"0x" + b"f" * 5000,
    b"", b"\xb2", b"[]", b"{}", b"null", b"true", b'"x"', b"1e15", b"4294967295", b"1000000",
]  # fmt: skip
WORDS = [
    b"../../canary", b"/absent", b"\0", b"&a", b"*a", b"!!python/name:os.system ", b"[" * 5000,
    b"{" * 5000, b'{"a":' * 2000, b"null", b"true", b'"', b"\n", b"\r", b",", b": ", b"- ", b"0x",
    b"\xff\xfe", b"x" * 300, b"<<: ", b"!!timestamp ", b"uri", b"sparse", b"list", b"element x 9\n",
]  # fmt: skip

Damage = Callable[[bytes], bytes]


def _place(content: bytes, where: int) -> int:
    return where % (len(content) + 1)


def _overwrite(new: bytes, where: int, content: bytes) -> bytes:
    start = _place(content, where)
    return content[:start] + new + content[start + len(new) :]


def _insert(new: bytes, where: int, content: bytes) -> bytes:
    start = _place(content, where)
    return content[:start] + new + content[start:]


def _cut(where: int, content: bytes) -> bytes:
    return content[: _place(content, where)]


def _repeat(where: int, length: int, times: int, content: bytes) -> bytes:
    """Duplicate a slice, or with `times` 0 remove it."""
    start = _place(content, where)
    return content[:start] + content[start : start + length] * times + content[start + length :]


def _swap_lines(first: int, second: int, content: bytes) -> bytes:
    lines = content.splitlines(keepends=True)
    if lines:
        i, j = first % len(lines), second % len(lines)
        lines[i], lines[j] = lines[j], lines[i]
    return b"".join(lines)


def _splice(other: bytes, start: int, length: int, where: int, content: bytes) -> bytes:
    """Insert a piece of another file, or with a length beyond it go on as that file does."""
    start = _place(other, start)
    if start + length > len(other):
        return content[: _place(content, where)] + other[start:]
    return _insert(other[start : start + length], where, content)


def _replace_number(which: int, new: bytes, content: bytes) -> bytes:
    """Overwrite one of the numbers that are written out in digits."""
    spans = [m.span() for m in re.finditer(rb"-?\d+", content)]
    if not spans:
        return content
    start, end = spans[which % len(spans)]
    return content[:start] + new + content[end:]


def _random_damage(samples: tuple[Sample, ...], rng: random.Random) -> Damage:
    kind, where = rng.randrange(9), rng.randrange(2**16)
    if kind == 0:
        return partial(_overwrite, rng.randbytes(rng.randint(1, 4)), where)
    if kind == 1:
        return partial(_overwrite, rng.choice(HUGE), where)
    if kind == 2:
        return partial(_replace_number, rng.randrange(200), rng.choice(NUMBERS))
    if kind == 3:
        return partial(_insert, rng.choice(WORDS), where)
    if kind == 4:
        return partial(_insert, rng.randbytes(rng.randint(0, 20)), where)
    if kind == 5:
        return partial(_repeat, where, rng.randint(1, 200), rng.randint(0, 3))
    if kind == 6:
        return partial(_swap_lines, where, rng.randrange(2**16))
    if kind == 7:
        other = rng.choice(samples).content
        return partial(_splice, other, rng.randrange(2**16), rng.randint(1, 2000), where)
    return partial(_cut, where)


def _random_value(rng: random.Random, depth: int = 0) -> Any:
    """A value that JSON can hold."""
    inner = [_random_value(rng, depth + 1) for _ in range(rng.randint(0, 3 if depth < 3 else 0))]
    keys = [rng.choice(["", "a", "0", "nodes", "model"]) for _ in inner]
    numbers = [rng.randint(-(10**20), 10**20), rng.uniform(-1, 1), float("nan"), 0, -1, 2**63]
    return rng.choice(
        [None, True, *numbers, "\0", "text", inner, dict(zip(keys, inner, strict=True))]
    )


def damaged_file(samples: tuple[Sample, ...], rng: random.Random) -> bytes:
    """A real file with a few damages, or now and then something else: bytes, or JSON values."""
    sample = rng.choice(samples)
    if rng.randrange(20) == 0:
        noise = rng.randbytes(rng.randrange(200))
        return sample.wrap(rng.choice([noise, json.dumps(_random_value(rng)).encode()]))
    content = sample.content
    for _ in range(rng.randint(1, 4)):
        content = _random_damage(samples, rng)(content)
    return sample.wrap(content)


def check_file(reader: Reader, folder: Path, content: bytes) -> None:
    """A reader returns something valid or raises its error, and takes little memory for it.

    It warns only by `Advice`, which is printed as one line.
    """
    (folder / reader.path).write_bytes(content)
    forget_files()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    faulthandler.dump_traceback_later(HANG, exit=True)
    try:
        with warnings.catch_warnings(record=True) as told, contextlib.suppress(reader.error):
            warnings.simplefilter("always")
            try:
                reader.read(folder)
            except reader.error as error:
                _check_error(error, folder)
                raise
    finally:
        faulthandler.cancel_dump_traceback_later()
    leaked = [str(warning) for warning in told if not issubclass(warning.category, Advice)]
    assert not leaked, leaked
    grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    assert grown < GROWTH, f"{len(content)} bytes cost {grown} bytes of memory"


def _check_error(error: Exception, folder: Path) -> None:
    """It names the file or its folder; and what was asked for was there, not only refused."""
    is_set_nowhere = "is not set" in str(error)  # a key of the config, which has no file then
    assert str(folder) in str(error) or is_set_nowhere, error
    cause: BaseException | None = error
    while cause is not None:
        assert not isinstance(cause, MemoryError), "it asked for more memory than there is"
        cause = cause.__cause__ or cause.__context__


def read_real_files(reader: Reader, folder: Path) -> None:
    """Without an error, unless they are for it; this also imports what the reader needs, before
    memory is limited."""
    folder.mkdir()
    reader.prepare(folder)
    (folder / reader.path).parent.mkdir(parents=True, exist_ok=True)
    for sample in reader.samples:
        (folder / reader.path).write_bytes(sample.wrap(sample.content))
        forget_files()
        with contextlib.suppress(*[reader.error] if sample.is_refused else []):
            reader.read(folder)


def fuzz(reader: Reader, folder: Path, examples: int, seed: int) -> None:
    rng = random.Random(seed)
    for number in range(examples):
        content = damaged_file(reader.samples, rng)
        start = time.process_time()
        try:
            check_file(reader, folder, content)
        except Exception as error:
            raise AssertionError(f"file {number} of seed {seed}: {content!r}") from error
        seconds = time.process_time() - start
        assert seconds < DEADLINE, f"file {number} of seed {seed}: {seconds} s, {content!r}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("readers", nargs="+", choices=READERS)
    parser.add_argument("--examples", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0, help="draw other files")
    args = parser.parse_args()
    readers = {name: READERS[name]() for name in args.readers}
    with tempfile.TemporaryDirectory() as root:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such as that a member is compressed
            for name, reader in readers.items():
                read_real_files(reader, Path(root) / name)
        _limit_memory()
        for name, reader in readers.items():
            start = time.process_time()
            fuzz(reader, Path(root) / name, args.examples, args.seed)
            print(f"{name}: {args.examples} files, {time.process_time() - start:.1f} s", flush=True)


def _limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    main()
