"""How soft each place of a body is: where flesh lies thick over the bone, and more if it is fat."""

from functools import lru_cache

import numpy as np
from jaxtyping import Float
from scipy import sparse

from im2mesh.synthesis.body import Body

_BASE = {
    "spine05": 1.0,
    "spine04": 1.0,
    "spine03": 1.0,
    "spine02": 1.0,
    "spine01": 1.0,
    "root": 1.0,
    "pelvis": 1.0,
    "upperleg01": 0.9,
    "upperleg02": 0.6,
    "upperarm01": 0.5,
    "upperarm02": 0.5,
    "lowerleg01": 0.3,
}
"""Softness of flesh by the joint that moves it, for both sides; other places are firm."""
_THIN, _THICK = 0.05, 0.2  # share of the leg's length: flesh over bone that is firm, and soft
_LEAN, _HEAVY = 19.0, 34.0  # body mass index
_LEAN_SHARE = 0.45  # softness of a lean body, against 1 of a heavy one
_CHEEK_SOFTNESS, _CHEEK_RADIUS = 0.25, 0.03  # radius in units of the body's height
_SMOOTHING_STEPS = 30
_DENSITY = 1000.0  # kilograms per cubic metre


def volume_of(body: Body) -> float:
    """Cubic metres."""
    a, b, c = (body.vertices[body.faces[:, corner]] for corner in range(3))
    return float(np.sum(a * np.cross(b, c)) / 6)


def heaviness(body: Body) -> float:
    """0 for lean, 1 for heavy bodies, by the body mass index."""
    height = float(np.ptp(body.vertices[:, 1]))
    index = _DENSITY * volume_of(body) / height**2
    return float(np.clip((index - _LEAN) / (_HEAVY - _LEAN), 0.0, 1.0))


def softness_of(body: Body) -> Float[np.ndarray, "V"]:
    """Softness of each vertex from 0, firm, to 1; it changes smoothly over the surface."""
    base = np.array([_BASE.get(name.partition(".")[0], 0.0) for name in body.names])
    leg = np.linalg.norm(body.joint("lowerleg01.L") - body.joint("upperleg01.L")) * 2
    depth = np.clip((_flesh(body) / leg - _THIN) / (_THICK - _THIN), 0.0, 1.0)
    soft = (body.weights @ base) * depth
    soft *= _LEAN_SHARE + (1 - _LEAN_SHARE) * heaviness(body)
    return _smooth(body, np.maximum(soft, _cheeks(body)))


def _flesh(body: Body) -> Float[np.ndarray, "V"]:
    """Distance from each vertex to the bones near it, blended as the skin is."""
    weights = body.weights.tocoo()
    starts, ends = body.joints, _bone_ends(body)
    bone = (ends - starts)[weights.col]
    offset = body.vertices[weights.row] - starts[weights.col]
    along = np.sum(offset * bone, axis=1) / np.maximum(np.sum(bone**2, axis=1), 1e-9)
    away = offset - np.clip(along, 0.0, 1.0)[:, None] * bone
    flesh = np.zeros(len(body.vertices))
    np.add.at(flesh, weights.row, weights.data * np.linalg.norm(away, axis=1))
    return flesh


def _bone_ends(body: Body) -> Float[np.ndarray, "J 3"]:
    """The first child of each joint; a joint without children ends in itself."""
    ends = body.joints.copy()
    for joint, parent in reversed(list(enumerate(body.parents))):
        if parent >= 0:
            ends[parent] = body.joints[joint]
    return ends


def _cheeks(body: Body) -> Float[np.ndarray, "V"]:
    height = float(np.ptp(body.vertices[:, 1]))
    soft = np.zeros(len(body.vertices))
    for side, sign in (("L", 1.0), ("R", -1.0)):
        cheek = body.joint(f"eye.{side}") + height * np.array([sign * 0.008, -0.032, -0.005])
        squared = np.sum((body.vertices - cheek) ** 2, axis=1)
        soft = np.maximum(soft, np.exp(-squared / (_CHEEK_RADIUS / 2 * height) ** 2))
    return _CHEEK_SOFTNESS * soft


def _smooth(body: Body, values: Float[np.ndarray, "V"]) -> Float[np.ndarray, "V"]:
    """Average over neighbours, many times."""
    average = _neighbour_average(body.faces.tobytes(), len(values))
    for _ in range(_SMOOTHING_STEPS):
        values = 0.5 * values + 0.5 * (average @ values)
    return values


@lru_cache(maxsize=2)
def _neighbour_average(faces: bytes, num_vertices: int) -> sparse.csr_array:
    """Matrix of the mean over the neighbours of each vertex; all bodies share their faces."""
    corners = np.frombuffer(faces, dtype=np.int64).reshape(-1, 3)
    rows = corners[:, [0, 1, 2, 1, 2, 0]].ravel()
    columns = corners[:, [1, 2, 0, 0, 1, 2]].ravel()
    links = sparse.coo_array(
        (np.ones(len(rows)), (rows, columns)), shape=(num_vertices, num_vertices)
    ).tocsr()
    links.data[:] = 1.0
    return sparse.csr_array(sparse.diags_array(1.0 / links.sum(axis=1)) @ links)
