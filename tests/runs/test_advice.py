"""Advice on windows: collected, kept apart from other warnings, told once per kind."""

import warnings

import pytest

from im2mesh.data.layout import Window
from im2mesh.errors import Advice
from im2mesh.runs.advice import collected_advice, once_per_kind


def advise(text: str) -> None:
    warnings.warn(text, Advice, stacklevel=1)


def test_advice_is_collected_and_other_warnings_are_shown():
    with pytest.warns(UserWarning) as told, collected_advice() as texts:
        for _ in range(2):
            advise("mind the gap")
        warnings.warn("of a library", UserWarning, stacklevel=1)
    assert texts == ["mind the gap", "mind the gap"]
    assert [str(warning.message) for warning in told] == ["of a library"]


def test_advice_before_an_error_is_shown():
    with (
        pytest.warns(Advice, match="mind the gap"),
        pytest.raises(ZeroDivisionError),
        collected_advice(),
    ):
        advise("mind the gap")
        _ = 1 / 0


def test_each_kind_is_told_once():
    windows = [Window("a", "hop", k, 5) for k in range(4)]
    given = {
        windows[0]: [],
        windows[1]: ["sequence hop/00001, frame 0 and 2 more: it is inside out", "the scale is 7"],
        windows[2]: [f"sequence hop/00002, frame {k}: it is inside out" for k in range(3)],
        windows[3]: ["clip hop: it is inside out", "sequence hop/00003, frame 3: it is inside out"],
    }
    assert once_per_kind(given) == [
        "sequence hop/00001, frame 0 and 2 more: it is inside out ... and 2 more windows",
        "the scale is 7",
        "clip hop: it is inside out",
    ]
