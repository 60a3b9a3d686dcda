"""Advice on the windows of a split: collected while each is worked on, then told once per kind."""

import re
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from im2mesh.data.layout import Window
from im2mesh.errors import Advice


@contextmanager
def collected_advice() -> Iterator[list[str]]:
    """The texts of all `Advice` given inside, in a list that is filled at the end.

    Other warnings are shown as ever; so is the advice if work ends with an error.
    """
    texts: list[str] = []
    caught: list[warnings.WarningMessage] = []
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", Advice)
            yield texts
    except BaseException:
        _show(caught)
        raise
    texts += [str(warning.message) for warning in caught if issubclass(warning.category, Advice)]
    _show(warning for warning in caught if not issubclass(warning.category, Advice))


def once_per_kind(given: Mapping[Window, Sequence[str]]) -> list[str]:
    """The first advice of each kind, with the number of windows that have more of the kind."""
    kinds: dict[str, list[str]] = defaultdict(list)
    for window, texts in given.items():
        first: dict[str, str] = {}
        for text in texts:
            first.setdefault(_kind(text, window), text)
        for kind, text in first.items():
            kinds[kind].append(text)
    return [f"{first}{_and_more(len(rest))}" for first, *rest in kinds.values()]


def _show(caught: Iterable[warnings.WarningMessage]) -> None:
    for warning in caught:
        warnings.showwarning(
            warning.message, warning.category, warning.filename, warning.lineno, line=warning.line
        )


def _kind(text: str, window: Window) -> str:
    """The text without what differs between windows: names, paths and numbers.

    Example:
        >>> _kind("clip hop: hop/00003.ply is 2 times as large", Window("a", "hop", 3, 17))
        'clip is times as large'
    """
    text = re.sub(r" and \d+ more", "", text)
    words = re.findall(r"[^\s:,;()]+", text)
    return " ".join(w for w in words if w != window.clip and not re.search(r"[\d/\\]", w))


def _and_more(count: int) -> str:
    return f" ... and {count} more window{'s' if count > 1 else ''}" if count else ""
