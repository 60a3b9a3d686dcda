"""What only people of the shape space do: travel, use their hands, and lag behind themselves."""

import igl
import numpy as np
import pytest

from im2mesh.synthesis.animation import animate
from im2mesh.synthesis.body import Body
from im2mesh.synthesis.footsteps import Arc, Gait, leg_on_way
from im2mesh.synthesis.hands import pose_hand
from im2mesh.synthesis.manner import HAND_POSES, TEMPO, draw_hand, draw_manner
from im2mesh.synthesis.motions.repertoire import EVERY_MOTION, MOTIONS
from im2mesh.synthesis.rotations import rotate_y
from im2mesh.synthesis.shape_space import FIRST_OF_SPACE, find_body
from im2mesh.synthesis.soft_tissue import add_soft_tissue, follow_late, limit_length
from im2mesh.synthesis.softness import softness_of, volume_of
from im2mesh.synthesis.splits import Clip
from im2mesh.synthesis.style import FRAMES_PER_SECOND, draw_style
from im2mesh.synthesis.tracks import Hand

HEAVY = FIRST_OF_SPACE + 10
TRAVELLING = tuple(name for name in EVERY_MOTION if name not in MOTIONS)
TIMES = np.arange(90) / FRAMES_PER_SECOND


def middle_of(vertices: np.ndarray) -> np.ndarray:
    """Middle of the body on the ground, in each frame."""
    return vertices[..., [0, 2]].mean(axis=1)


def overlap(vertices: np.ndarray, faces: np.ndarray) -> float:
    """Share of the inside that lies inside twice."""
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    points = low + (high - low) * np.random.default_rng(0).random((20000, 3))
    numbers = np.rint(igl.fast_winding_number(vertices, faces, points))
    return float(np.mean(numbers[numbers > 0] > 1))


@pytest.mark.parametrize("motion", EVERY_MOTION)
def test_motion_keeps_a_person_a_body(motion: str) -> None:
    index = FIRST_OF_SPACE + list(EVERY_MOTION).index(motion)
    body = find_body(index)
    vertices = animate(Clip(index, motion), 40, seed=0).astype(np.float64)
    steps = np.linalg.norm(np.diff(vertices, axis=0), axis=-1)
    assert 0.001 < steps.mean() < 0.035
    assert steps.max() < 0.12, "no vertex jumps"
    changes = np.linalg.norm(np.diff(vertices, n=2, axis=0), axis=-1)
    assert changes.max() < 0.04, "no joint snaps"
    assert -0.002 < vertices[..., 1].min() < 0.002
    frame = vertices[20]
    corners = frame[body.faces]
    volume = np.sum(corners[:, 0] * np.cross(corners[:, 1], corners[:, 2])) / 6
    assert abs(volume / volume_of(body) - 1) < 0.1
    assert overlap(frame, body.faces) < 0.015


def test_people_face_any_direction_and_baked_bodies_the_front() -> None:
    names = find_body(0).names
    left, right = (names.index(f"upperleg01.{side}") for side in "LR")

    def heading(index: int) -> float:
        body = find_body(index)
        vertices = animate(Clip(index, "punching"), 1, 0)[0]
        main = body.weights.toarray().argmax(axis=1)
        across = vertices[main == left].mean(axis=0) - vertices[main == right].mean(axis=0)
        return float(np.rad2deg(np.arctan2(-across[2], across[0])))

    people = np.array([heading(FIRST_OF_SPACE + number) for number in range(8)])
    assert np.ptp(people) > 180
    assert np.abs([heading(index) for index in range(4)]).max() < 25


def test_walks_travel_and_turns_turn() -> None:
    walked = middle_of(animate(Clip(FIRST_OF_SPACE, "walk"), 50, 0))
    assert 0.4 < np.linalg.norm(walked[-1] - walked[0]) < 2.0
    stood = middle_of(animate(Clip(FIRST_OF_SPACE, "punching"), 50, 0))
    assert np.ptp(stood, axis=0).max() < 0.3


@pytest.mark.parametrize(
    ("arc", "gait"),
    [
        (Arc(speed=1.2), Gait(0.9)),
        (Arc(speed=1.0, turn=60.0), Gait(1.1)),
        (Arc(turn=-180.0), Gait(1.5)),
        (Arc(speed=0.5, direction=90.0), Gait(1.0, stance=0.7)),
    ],
)
@pytest.mark.parametrize("sign", [1, -1])
def test_a_foot_stands_still_in_the_world(arc: Arc, gait: Gait, sign: int) -> None:
    """The ball of the foot, seen from the body and carried back into the world, moves in swings."""
    leg = leg_on_way(arc, gait, TIMES, 0.2, sign)
    seen = np.stack([sign * leg.spread + 0.25 * sign, 0 * TIMES, leg.reach + 0.18], axis=1)
    world = (rotate_y(arc.heading(TIMES)) @ seen[..., None])[..., 0] + arc.places(TIMES)
    stands = np.asarray(leg.lift) < 1e-9
    both = stands[1:] & stands[:-1]
    moved = np.linalg.norm(np.diff(world, axis=0), axis=1)
    assert moved[both].max() < 1e-9
    assert 0.3 < stands.mean() < 0.85
    assert np.abs(np.diff(leg.turn + arc.heading(TIMES)))[both].max() < 1e-9


def test_an_arc_has_the_speed_and_the_turn_it_says() -> None:
    arc = Arc(speed=1.5, turn=90.0, direction=30.0)
    places = arc.places(TIMES)
    speed = np.linalg.norm(np.diff(places, axis=0), axis=1) * FRAMES_PER_SECOND
    np.testing.assert_allclose(speed, 1.5, rtol=1e-4)
    first = np.rad2deg(np.arctan2(*(places[1] - places[0])[[0, 2]]))
    assert first == pytest.approx(30.0 + 90.0 / FRAMES_PER_SECOND / 2, abs=0.01)
    np.testing.assert_allclose(arc.heading(TIMES[[0, 60]]), [0.0, 90.0])


def tip_to_palm(body: Body, hand: Hand, side: str, finger: int) -> float:
    """Distance from the last joint of a finger to the middle of the palm."""
    turned = pose_hand(body, hand, side, np.eye(3)[None])
    pose = body.pose({f"{name}.{side}": turn for name, turn in turned.items()}, np.zeros((1, 3)))
    tip, root, wrist = (
        pose.positions[0, body.names.index(f"{name}.{side}")]
        for name in (f"finger{finger}-3", "finger3-1", "wrist")
    )
    return float(np.linalg.norm(tip - (root + wrist) / 2))


@pytest.mark.parametrize("side", ["L", "R"])
def test_fingers_curl_into_the_palm(side: str) -> None:
    body = find_body(FIRST_OF_SPACE)
    for finger in range(1, 6):
        opened, closed = (
            tip_to_palm(body, HAND_POSES[name], side, finger) for name in ("open", "fist")
        )
        assert closed < (0.8 if finger > 1 else 0.95) * opened, finger
    pointing = [tip_to_palm(body, HAND_POSES["pointing"], side, finger) for finger in (2, 3, 4)]
    assert pointing[0] > 1.2 * max(pointing[1:])


@pytest.mark.parametrize("side", ["L", "R"])
def test_spread_fingers_are_farther_apart(side: str) -> None:
    body = find_body(FIRST_OF_SPACE)

    def width(spread: float) -> float:
        turned = pose_hand(body, Hand(spread=spread), side, np.eye(3)[None])
        rotations = {f"{name}.{side}": turn for name, turn in turned.items()}
        places = body.pose(rotations, np.zeros((1, 3))).positions[0]
        ends = [places[body.names.index(f"finger{finger}-3.{side}")] for finger in (2, 5)]
        return float(np.linalg.norm(ends[0] - ends[1]))

    assert width(8.0) > 1.1 * width(-3.0)


def test_hands_change_slowly_and_differ() -> None:
    hands = [draw_hand(TIMES, np.random.default_rng(seed)) for seed in range(12)]
    curls = np.array([hand.index for hand in hands])
    assert np.abs(np.diff(curls, axis=1)).max() < 0.1
    assert np.ptp(curls[:, 0]) > 0.7
    assert (np.ptp(curls, axis=1) > 0.3).sum() >= 3


def test_tempo_covers_its_range() -> None:
    tempi = [draw_manner(TIMES, np.random.default_rng(seed)).tempo for seed in range(60)]
    assert TEMPO[0] <= min(tempi) < 0.8 and 1.25 < max(tempi) <= TEMPO[1]


def test_a_shorter_clip_is_the_beginning_of_a_longer_one() -> None:
    short, long = (animate(Clip(HEAVY, "walk"), frames, 0) for frames in (6, 12))
    np.testing.assert_array_equal(short, long[:6])


def test_flesh_follows_late_as_the_equation_says() -> None:
    """Against the closed form for an end that moves at constant acceleration from rest."""
    acceleration, hertz, damping = 3.0, 5.0, 0.3
    positions = np.zeros((60, 1, 3))
    positions[:, 0, 1] = 0.5 * acceleration * TIMES[:60] ** 2
    lag = follow_late(positions, hertz, damping)[:, 0, 1]
    rate = 2 * np.pi * hertz
    damped, times = rate * np.sqrt(1 - damping**2), TIMES[:60] - 1 / FRAMES_PER_SECOND
    swing = np.cos(damped * times) + damping * rate / damped * np.sin(damped * times)
    expected = -acceleration / rate**2 * (1 - np.exp(-damping * rate * times) * swing)
    np.testing.assert_allclose(lag[1:], expected[1:], atol=1e-9)


def test_flesh_does_not_notice_steady_motion() -> None:
    steady = np.linspace(0, 1, 30)[:, None, None] * np.ones((1, 4, 3))
    assert np.abs(follow_late(steady, 5.0, 0.3)).max() < 1e-12


def test_long_displacements_are_shortened() -> None:
    vectors = np.array([[1e-4, 0.0, 0.0], [0.0, 0.5, 0.0], [0.0, 0.0, 0.0]])
    limited = limit_length(vectors, np.full((3, 1), 0.03))
    np.testing.assert_allclose(limited[0], vectors[0], rtol=1e-4)
    assert limited[1, 1] == pytest.approx(0.03, rel=1e-3)
    assert np.isfinite(limited).all()


def test_soft_tissue_moves_centimetres_and_folds_nothing() -> None:
    body = find_body(HEAVY)
    style = draw_style(40, np.random.default_rng(0))
    bounce = 0.05 * np.sin(2 * np.pi * 2.5 * style.times)  # as in hopping
    skinned = (body.vertices + bounce[:, None, None] * [0.0, 1.0, 0.0]).astype(np.float32)
    soft = add_soft_tissue(body, skinned, np.random.default_rng(0)).astype(np.float64)
    moved = np.linalg.norm(soft - skinned, axis=-1)
    assert 0.01 < moved.max() < 0.04
    assert moved[:, softness_of(body) < 0.01].max() == 0.0
    frame = int(moved.max(axis=1).argmax())
    before, after = (shape[frame][body.faces] for shape in (skinned.astype(np.float64), soft))
    normals = [np.cross(c[:, 1] - c[:, 0], c[:, 2] - c[:, 0]) for c in (before, after)]
    assert np.mean(np.sum(normals[0] * normals[1], axis=1) <= 0) < 2e-4
    assert (
        overlap(soft[frame], body.faces) < overlap(skinned[frame].astype(float), body.faces) + 0.002
    )
    jerks = [
        np.abs(np.diff(shape[10:].astype(float), n=3, axis=0)).max() for shape in (soft, skinned)
    ]
    assert jerks[0] < 2 * jerks[1], "smooth in time, once the start has died away"
