"""What the page of the live viewer asks, and what it is answered."""

import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from im2mesh.errors import UserError

PIECE = 2**16  # bytes


class Sent:
    """Content that is sent with a question, such as a file. It is read piece by piece.

    Args:
        stream: Where the content can be read.
        length: Number of its bytes.
    """

    def __init__(self, stream: io.BufferedIOBase, length: int) -> None:
        self._stream = stream
        self.left = length

    def pieces(self) -> Iterator[bytes]:
        """All that was not read yet.

        Raises:
            ConnectionError: If the browser went away.
        """
        while self.left:
            piece = self._stream.read(min(self.left, PIECE))
            if not piece:
                raise ConnectionError("the browser sent less than it promised")
            self.left -= len(piece)
            yield piece


def _nothing() -> Sent:
    return Sent(io.BytesIO(), 0)


@dataclass(frozen=True)
class Question:
    """What the page asks.

    Attributes:
        values: Names and values behind the address.
        sent: Content that is sent with it.
    """

    values: Mapping[str, str]
    sent: Sent = field(default_factory=_nothing)

    def text(self, name: str) -> str:
        """A value that must be there.

        Raises:
            UserError: If it is not.
        """
        if name not in self.values:
            raise UserError(f"the page asked without '{name}'; load it again")
        return self.values[name]

    def number(self, name: str) -> float:
        """A finite number that must be there.

        Raises:
            UserError: If it is not.
        """
        try:
            value = float(self.text(name))
        except ValueError:
            value = float("nan")  # refused below
        if not abs(value) < float("inf"):
            raise UserError(f"'{name}' is {self.text(name)[:40]!r}; it must be a number")
        return value

    def save(self, path: Path) -> None:
        """Write what is sent to a file; of a part, nothing is left."""
        try:
            with path.open("wb") as file:
                file.writelines(self.sent.pieces())
        except OSError:
            path.unlink(missing_ok=True)
            raise


Answer = bytes | dict[str, Any] | list[Any]
"""Numbers as bytes, or what JSON can say."""
Route = Callable[[Question], Answer]
