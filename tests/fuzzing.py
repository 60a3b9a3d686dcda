"""Damage real files and read them, under limits of memory and time: a program of its own.

    python -m tests.fuzzing --examples 300 [--seed 1] ply off

It runs apart from pytest, because the limit of memory holds for the whole process, and because
shapes are not checked outside of tests.
"""

import argparse
import contextlib
import faulthandler
import json
import re
import resource
import tempfile
import warnings
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from im2mesh.errors import Advice
from tests.readers import READERS, Reader, Sample, forget_files

GIB = 2**30
MEMORY = GIB // 2  # bytes that a reader may take beyond what the process has at the start
GROWTH = 256 * 2**20  # bytes of real memory that one small file may cost
DEADLINE = timedelta(seconds=2)  # for one file
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


_where = st.integers(0, 2**16)
_damage: st.SearchStrategy[Damage] = st.one_of(
    st.builds(partial, st.just(_overwrite), st.binary(min_size=1, max_size=4), _where),
    st.builds(partial, st.just(_overwrite), st.sampled_from(HUGE), _where),
    st.builds(partial, st.just(_replace_number), st.integers(0, 200), st.sampled_from(NUMBERS)),
    st.builds(partial, st.just(_insert), st.sampled_from(WORDS), _where),
    st.builds(partial, st.just(_insert), st.binary(max_size=20), _where),
    st.builds(partial, st.just(_repeat), _where, st.integers(1, 200), st.integers(0, 3)),
    st.builds(partial, st.just(_swap_lines), _where, _where),
    st.builds(partial, st.just(_cut), _where),
)


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=5,
)
_other = st.binary(max_size=200) | _values.map(lambda value: json.dumps(value).encode())


@st.composite
def damaged_files(draw: st.DrawFn, samples: tuple[Sample, ...]) -> bytes:
    """A real file with a few damages, or now and then something else: bytes, or JSON values."""
    sample = draw(st.sampled_from(samples))
    if draw(st.integers(0, 9)) == 0:
        return sample.wrap(draw(_other))
    content = sample.content
    others = st.sampled_from([other.content for other in samples])
    splice = st.builds(partial, st.just(_splice), others, _where, st.integers(1, 2000), _where)
    for damage in draw(st.lists(_damage | splice, min_size=1, max_size=4)):
        content = damage(content)
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
    assert all(issubclass(warning.category, Advice) for warning in told), told
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


def fuzz(reader: Reader, folder: Path, examples: int, seeded: int | None) -> None:
    @settings(
        max_examples=examples,
        deadline=DEADLINE,
        derandomize=seeded is None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(damaged_files(reader.samples))
    def check(content: bytes) -> None:
        check_file(reader, folder, content)

    (check if seeded is None else seed(seeded)(check))()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("readers", nargs="+", choices=READERS)
    parser.add_argument("--examples", type=int, default=300)
    parser.add_argument("--seed", type=int, help="draw other files than always the same")
    args = parser.parse_args()
    readers = {name: READERS[name]() for name in args.readers}
    with tempfile.TemporaryDirectory() as root:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such as that a member is compressed
            for name, reader in readers.items():
                read_real_files(reader, Path(root) / name)
        _limit_memory()
        for name, reader in readers.items():
            print(f"{name}: {args.examples} files", flush=True)
            fuzz(reader, Path(root) / name, args.examples, args.seed)


def _limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    main()
