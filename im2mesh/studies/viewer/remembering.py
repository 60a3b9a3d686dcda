"""Keeping what was last asked for."""

from collections import OrderedDict
from typing import TypeVar

Name = TypeVar("Name")
Kept = TypeVar("Kept")


def remember(kept: "OrderedDict[Name, Kept]", key: Name, value: Kept, most: int) -> None:
    """Keep a value as the newest, and forget the oldest beyond `most`."""
    kept[key] = value
    kept.move_to_end(key)
    while len(kept) > most:
        kept.popitem(last=False)
