"""What each key of the configuration affects: declared beside the key, and listed from there."""

from collections.abc import Iterator
from enum import Enum

from pydantic import BaseModel


class Affects(Enum):
    """What changes with the value of a key. Most keys affect one thing, some several."""

    NOTHING = "no number: only where files lie, what is written, and how much is done at once"
    WINDOWS = "which windows there are"
    MODEL = "what the model is, and what it can observe; a run must not change it"
    OBSERVATION = "what is observed of a window"
    LEARNING = "what is learned"
    BUDGET = "how much a run may spend: time, iterations, points and widths"
    SELECTION = "which weights are kept as the best"
    MESHES = "how meshes are made"
    METRICS = "how windows are measured; compared runs must agree on it"
    COVERAGE = "what is measured of a window; a comparison says where runs differ in it"


def keys_affecting(section: type[BaseModel], effect: Affects) -> list[str]:
    """The keys with that effect: dotted names for `Config`, plain names for one section."""
    return [key for key, effects in _effects(section, "") if effect in effects]


def refuse_unclassified(section: type[BaseModel]) -> None:
    """Refuse a section with a key that does not say what it affects.

    Raises:
        TypeError: Naming the key.
    """
    for key, effects in _effects(section, ""):
        if not effects:
            raise TypeError(
                f"{section.__name__}.{key} does not say what it affects; annotate it with members "
                "of `Affects`, such as Annotated[int, Affects.LEARNING]"
            )


def _effects(section: type[BaseModel], prefix: str) -> Iterator[tuple[str, set[Affects]]]:
    for name, field in section.model_fields.items():
        kind = field.annotation
        effects = {item for item in field.metadata if isinstance(item, Affects)}
        if not effects and isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _effects(kind, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", effects
