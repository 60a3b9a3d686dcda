"""Other units and other coordinates show in the size and in the place of points."""

import numpy as np
import pytest

from im2mesh.meshing.placement import UNIT_CUBE, misplacement

BODY = np.array([[-0.2, -0.5, -0.1], [0.2, 0.5, 0.1], [0.0, 0.1, 0.0]])


@pytest.mark.parametrize(
    ("factor", "words"),
    [
        (1000, "1000 times as large as"),
        (100, "100 times as large as"),
        (39.37, "39 times as large as"),
        (0.001, "1000 times smaller than"),
        (0.01, "100 times smaller than"),
    ],
)
def test_other_units_are_named_by_their_factor(factor, words):
    assert misplacement(factor * BODY, UNIT_CUBE) == words
    assert misplacement(factor * BODY + 7.0, UNIT_CUBE) == words


def test_a_place_far_off_is_named():
    far = BODY + np.array([500_000.0, 30.0, 5_400_000.0])
    assert misplacement(far, UNIT_CUBE) == "5.4e+06 times its size away from"


@pytest.mark.parametrize("step", [(1.1, 0, 0), (0, -1.6, 0), (3, 3, 3)])
def test_a_place_beside_is_named(step):
    assert misplacement(BODY + np.array(step), UNIT_CUBE) == "wholly beside"


def test_ordinary_predictions_and_nothing_are_not_named():
    assert misplacement(BODY, UNIT_CUBE) is None
    assert misplacement(3 * BODY + 0.5, UNIT_CUBE) is None
    assert misplacement(0.3 * BODY, UNIT_CUBE) is None
    assert misplacement(BODY[:0], UNIT_CUBE) is None
    assert misplacement(BODY[:1], UNIT_CUBE) is None
