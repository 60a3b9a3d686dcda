"""Text of mesh files: bytes in any encoding -> text -> rows of numbers.

Keywords and numbers are ASCII in every format. Comments and names may be written in anything.
"""

import codecs
import re
import warnings
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped, UInt8

_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",  # before UTF-16, whose mark is its beginning
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}


@dataclass(frozen=True)
class Rows:
    """The numbers of all lines that are not blank.

    Attributes:
        values: All numbers, line after line.
        starts: Where each line begins in them.
        lengths: How many numbers each line has.
    """

    values: Shaped[np.ndarray, "N"]
    starts: Int[np.ndarray, "L"]
    lengths: Int[np.ndarray, "L"]

    def __len__(self) -> int:
        return len(self.starts)

    def columns(self, first: int, last: int) -> Shaped[np.ndarray, "L columns"]:
        """Columns first to last - 1; every line must have that many numbers."""
        if len(self) and (self.lengths == self.lengths[0]).all():
            return self.values.reshape(len(self), -1)[:, first:last]
        return self.values[self.starts[:, None] + np.arange(first, last)]

    def part(self, first: int, last: int) -> "Rows":
        """Lines first to last - 1."""
        starts, lengths = self.starts[first:last], self.lengths[first:last]
        values = self.values[starts[0] : starts[-1] + lengths[-1]] if len(starts) else np.zeros(0)
        return Rows(values, starts - starts[:1], lengths)


def without_mark(content: bytes) -> bytes:
    """Remove a byte order mark; what it calls UTF-16 or UTF-32 becomes UTF-8."""
    for mark, encoding in _MARKS.items():
        if content.startswith(mark):
            rest = content[len(mark) :]
            return rest if encoding == "utf-8" else rest.decode(encoding, "replace").encode()
    return content  # UTF-8 stays as it is, since numbers in binary may follow


def to_text(content: bytes) -> str:
    """Text whose lines end in a line feed; bytes that are not ASCII become a replacement character.

    Raises:
        ValueError: If there are zero bytes, as in binary files.
    """
    content = without_mark(content)
    if b"\0" in content:
        raise ValueError("it holds zero bytes, so it is no text (or UTF-16 without its mark)")
    text = content.decode("ascii", "replace")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text


def without_comments(text: str) -> str:
    """Remove what follows a number sign, up to the end of the line; 1.#IND is a NaN of Windows."""
    return re.sub(r"(?:(?<!\d\.)#|#(?![A-Z]))[^\n]*", "", text) if "#" in text else text


def read_rows(text: str, num_strict: int | None = None, mostly_whole: bool = False) -> Rows:
    """Numbers of the lines of a text.

    Args:
        num_strict: So many words at the start of a line must be numbers; other words may be
            anything and become NaN. None: all words.
        mostly_whole: Try whole numbers first, which takes a fifth of the time.

    Raises:
        ValueError: If a word is no number.
    """
    lengths = words_per_line(text)
    lengths = lengths[lengths > 0]
    num_words = int(lengths.sum())
    values = _parse_all(text, num_words, np.int64) if mostly_whole else None
    if values is None:
        values = _parse_all(text, num_words, np.float64)
    if values is None:
        values = _parse_words(text, num_strict)
    if len(values) != num_words:
        raise ValueError("it holds control characters between its numbers")
    return Rows(values, np.cumsum(lengths) - lengths, lengths)


def _parse_all(text: str, num_words: int, dtype: type) -> Shaped[np.ndarray, "N"] | None:
    """Every word as one number; None if a word is anything else."""
    try:
        values = parse_numbers(text, dtype) if num_words else np.zeros(0, dtype)
    except (DeprecationWarning, ValueError):
        return None
    return values if len(values) == num_words else None


def parse_numbers(text: str, dtype: type = np.float64) -> np.ndarray:
    """All numbers of a text; anything else in it is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)  # numpy only warns when it stops early
        return np.fromstring(text, dtype=dtype, sep=" ")


def is_blank(codes: UInt8[np.ndarray, "N"]) -> Bool[np.ndarray, "N"]:
    """Where bytes of ASCII are blanks or line ends."""
    return (codes == 32) | ((codes >= 9) & (codes <= 13))


def words_per_line(text: str) -> Int[np.ndarray, "lines"]:
    """How many words each line has, blank lines included."""
    codes = np.frombuffer(text.encode("ascii", "replace"), np.uint8)
    is_space = is_blank(codes)
    is_start = ~is_space
    is_start[1:] &= is_space[:-1]
    ends = np.append(np.flatnonzero(codes == 10), len(codes))
    return np.diff(np.searchsorted(np.flatnonzero(is_start), ends), prepend=0)


def _parse_words(text: str, num_strict: int | None) -> Float[np.ndarray, "N"]:
    """One word after the other, to name the first one that must be a number and is none."""
    values = []
    for line in text.split("\n"):
        for k, word in enumerate(line.split()):
            value = _to_number(word)
            if value is None and (num_strict is None or k < num_strict):
                raise ValueError(f"{word[:40]!r} is no number, in the line {line.strip()[:80]!r}")
            values.append(np.nan if value is None else value)
    return np.array(values, np.float64)


def _to_number(word: str) -> float | None:
    if "_" in word:  # Python reads 1_000
        return None
    try:
        return float(word)
    except ValueError:
        return None


def gather(
    values: np.ndarray, starts: Int[np.ndarray, "L"], lengths: Int[np.ndarray, "L"]
) -> np.ndarray:
    """Pieces of an array, one after the other."""
    shifts = starts - (np.cumsum(lengths) - lengths)
    return values[np.repeat(shifts, lengths) + np.arange(lengths.sum())]
