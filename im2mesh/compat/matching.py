"""Fit an official state dict to our model exactly, or say what differs and what to change."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from im2mesh.compat.advice import what_to_change
from im2mesh.compat.names import as_linear, official_to_ours, ours_to_official
from im2mesh.runs.checkpoints import CheckpointError

NUM_LISTED = 10


def convert_official_state(
    state: Mapping[str, Tensor], expected: Mapping[str, Tensor], method: str
) -> dict[str, Tensor]:
    """Rename an official state dict, and refuse it if it does not fit our model exactly.

    Args:
        state: State dict under the official names.
        expected: State dict of our model, for its names and shapes.
        method: Value of `model.method` in the config.

    Raises:
        CheckpointError: With what differs, under both names, and what to change.
    """
    renamed: dict[str, Tensor] = {}
    unexpected = []
    for key, value in state.items():
        name = official_to_ours(key, method)
        if name in expected and name not in renamed:
            renamed[name] = as_linear(key, value)
        else:
            unexpected.append(f"{_both_names(name, key)} {_shape(value)}")
    missing = [
        f"{_both_names(name, ours_to_official(name, method))} {_shape(value)}"
        for name, value in expected.items()
        if name not in renamed
    ]
    misshaped = [
        f"{_both_names(name, ours_to_official(name, method))} {_shape(value)}, "
        f"in the config {_shape(expected[name])}"
        for name, value in renamed.items()
        if value.shape != expected[name].shape
    ]
    if missing or unexpected or misshaped:
        lists = (
            *_listed("in the config, but not in the file", missing),
            *_listed("in the file, but not in the config", unexpected),
            *_listed("of another shape in the file", misshaped),
        )
        advice = what_to_change(state, expected, method)
        raise CheckpointError("\n".join(["parameters differ", *lists, f"to do: {advice}"]))
    return renamed


def _both_names(ours: str, official: str) -> str:
    return ours if ours == official else f"{ours} (official {official})"


def _shape(value: Tensor) -> str:
    return str(list(value.shape))


def _listed(title: str, lines: Sequence[str]) -> list[str]:
    """A title with the count, then the first lines; nothing if there are none."""
    if not lines:
        return []
    more = len(lines) - NUM_LISTED
    rest = [f"  ... and {more} more"] if more > 0 else []
    return [f"{len(lines)} {title}:", *(f"  {line}" for line in lines[:NUM_LISTED]), *rest]
