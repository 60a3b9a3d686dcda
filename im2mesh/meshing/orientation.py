"""Which side of a surface its faces look to, and faces that look outwards."""

import warnings
from dataclasses import dataclass, replace
from functools import lru_cache

import igl  # core functions only: igl.copyleft carries another licence
import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from im2mesh.errors import Advice
from im2mesh.meshing.containment import winding_numbers
from im2mesh.meshing.mesh import Mesh

_SAMPLES = 15
"""Faces of a piece behind which the body is looked for; most must agree"""
_BEHIND = 0.25
"""Least winding number behind a face that looks outwards: 1 in a closed body, 1/2 at a sheet"""

_FLAT = 1e-12
"""Volume of a piece, as a share of its area^(3/2), that means none; a ball has 0.09"""
_NEARLY = 1e-4
"""Share of the size of a mesh within which corners of unconnected faces are one position"""


def face_outwards(mesh: Mesh) -> tuple[Mesh, str | None]:
    """Turn the faces that look into the body, and say what was found.

    A face looks outwards if its corners are counter-clockwise seen from outside. Faces that
    disagree with their neighbours are turned to agree first. Then each connected piece is turned if
    there is no body behind its faces: the wall of a cavity stays as it is, an open sheet, too.

    Returns:
        The mesh, and what was wrong with it ("is inside out and was turned"), or None.
    """
    if len(mesh.faces) == 0:
        return mesh, None
    vertices = mesh.vertices.astype(np.float64) - mesh.vertices.mean(0, np.float64)
    named = mesh.faces.astype(np.int64)
    topology = _topology(named.tobytes())
    if not topology.is_closed:
        named = _weld(vertices, named)
        topology = _topology(named.tobytes())
    if topology.is_double:
        _, kept = np.unique(np.sort(named, axis=1), axis=0, return_index=True)
        if len(kept) < len(named):
            single, _ = face_outwards(replace(mesh, faces=mesh.faces[np.sort(kept)]))
            return single, "has each face twice, looking both ways, and one of each was kept"
    if topology.is_soup:
        named = _weld_nearly(vertices, named)
        topology = _topology(named.tobytes())
    agreeing = named
    if not topology.neighbours_agree:
        agreeing = np.ascontiguousarray(igl.bfs_orient(named)[0], np.int64)
    turned = (agreeing != named).any(1) ^ _looks_inwards(vertices, agreeing, topology.piece)
    if not turned.any():
        return mesh, None
    outward = np.where(turned[:, None], mesh.faces[:, ::-1], mesh.faces)
    found = f"has {turned.sum()} of {len(turned)} faces that look inwards, which were turned"
    return replace(mesh, faces=outward), "is inside out and was turned" if turned.all() else found


def is_watertight(mesh: Mesh) -> bool:
    """Whether the surface has no rim: each edge is walked as often forwards as backwards.

    Corners at one position count as one, since other programs split vertices at seams.
    """
    if len(mesh.faces) == 0:
        return False
    named = mesh.faces.astype(np.int64)
    if _topology(named.tobytes()).is_closed:
        return True
    welded = _weld(mesh.vertices.astype(np.float64), named)
    return _topology(welded.tobytes()).is_closed


def tell_turned(what: str, found: str | None) -> None:
    """Say what `face_outwards` found, if it found something."""
    if found is not None:
        warnings.warn(
            f"{what} {found}; corners of a face must be counter-clockwise seen from outside",
            Advice,
            stacklevel=3,
        )


@dataclass(frozen=True)
class _Topology:
    """What follows from faces alone.

    Attributes:
        is_closed: Whether each edge is walked as often in one direction as in the other.
        neighbours_agree: Whether this holds but for one walk, as at the rim of a hole.
        is_double: Whether each edge is walked at least twice in each direction that it is walked.
        is_soup: Whether most edges are walked once, in one direction, as by unconnected faces.
        piece: Number of the connected piece of each face.
    """

    is_closed: bool
    neighbours_agree: bool
    is_double: bool
    is_soup: bool
    piece: Int[np.ndarray, " F"]


@lru_cache(maxsize=4)  # frames of a sequence share their faces
def _topology(faces_int64: bytes) -> _Topology:
    faces = np.frombuffer(faces_int64, np.int64).reshape(-1, 3)
    start, end = faces.ravel(), np.roll(faces, -1, axis=1).ravel()
    is_edge = start != end  # unlike that of a face that is a line
    size = int(faces.max()) + 1
    entries = np.ones(len(start), np.int32)[is_edge], (start[is_edge], end[is_edge])
    edges = csr_array(entries, shape=(size, size))  # how often each is walked
    excesses = abs(edges - edges.T)
    excess = excesses.max()
    _, of_vertex = connected_components(edges, directed=False)
    _, piece = np.unique(of_vertex[faces[:, 0]], return_inverse=True)
    is_double = bool(edges.nnz and edges.data.min() > 1 and excess == 0)
    is_soup = excesses.nnz > edges.nnz  # each such edge counts in both directions
    return _Topology(bool(excess == 0), bool(excess <= 1), is_double, is_soup, piece)


def _weld(
    vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]
) -> Int[np.ndarray, "F 3"]:
    """Faces that name one vertex for each position; other programs split vertices at seams."""
    _, first, name = np.unique(vertices, axis=0, return_index=True, return_inverse=True)
    return first[name.ravel()][faces]


def _weld_nearly(
    vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]
) -> Int[np.ndarray, "F 3"]:
    """Faces that name one vertex for positions that nearly agree, as of corners that were rounded.

    Positions in one cell or in neighbouring cells of a grid are one, so that no limit between cells
    cuts through them. Cells are small beside the faces, whatever lies far off.
    """
    size, (a, b, _) = float(np.ptp(vertices)), vertices[faces].swapaxes(0, 1)
    cell = min(_NEARLY * size, float(np.median(np.linalg.norm(b - a, axis=1))) / 50)
    if cell <= 1e-15 * size:  # finer than the numbers are
        return faces
    used, corner = np.unique(faces, return_inverse=True)
    cells, cell_of = np.unique(np.floor(vertices[used] / cell), axis=0, return_inverse=True)
    near = KDTree(cells).query_pairs(1.5, p=np.inf, output_type="ndarray")  # at most 26 each
    links = csr_array((np.ones(len(near), np.bool_), near.T), shape=(len(cells), len(cells)))
    _, name = connected_components(links, directed=False)
    _, first = np.unique(name[cell_of.ravel()], return_index=True)
    return used[first][name[cell_of.ravel()]][corner].reshape(faces.shape)


def _looks_inwards(
    vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"], piece: Int[np.ndarray, " F"]
) -> Bool[np.ndarray, " F"]:
    """Per face, whether its piece has no body behind it. Costs next to nothing if none seems to.

    Where all pieces are flat, such as triangles that nothing connects, they are judged as one.
    """
    volume = _volumes(vertices[faces], piece)
    if len(volume) > 1 and (np.abs(volume) <= _FLAT).all():
        piece = np.zeros_like(piece)
        volume = _volumes(vertices[faces], piece)
    if (volume > -_FLAT).all():
        return np.zeros(len(faces), np.bool_)
    return (_winding_behind(vertices, faces, piece) < _BEHIND)[piece]


def _volumes(
    corners: Float[np.ndarray, "F 3 3"], piece: Int[np.ndarray, " F"]
) -> Float[np.ndarray, " P"]:
    """Signed volume of each piece, as seen from its centre, as a share of its area^(3/2)."""
    count = np.bincount(piece)
    center = np.stack([np.bincount(piece, corners[:, 0, k]) / count for k in range(3)], axis=1)
    a, b, c = (corners - center[piece, None]).swapaxes(0, 1)
    volume = np.bincount(piece, (a * np.cross(b, c)).sum(1)) / 6
    area = np.bincount(piece, np.linalg.norm(np.cross(b - a, c - a), axis=1)) / 2
    return volume / np.maximum(area, 1e-200) ** 1.5


def _winding_behind(
    vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"], piece: Int[np.ndarray, " F"]
) -> Float[np.ndarray, " P"]:
    """Per piece, the median winding number of points just behind some of its faces."""
    order, count = np.argsort(piece, kind="stable"), np.bincount(piece)
    shares = (2 * np.arange(_SAMPLES) + 1) / (2 * _SAMPLES)
    rows = (np.cumsum(count) - count)[:, None] + (count[:, None] * shares).astype(np.int64)
    a, b, c = vertices[faces[order[rows.ravel()]]].swapaxes(0, 1)
    normal = np.cross(b - a, c - a)
    length = np.linalg.norm(normal, axis=1, keepdims=True)  # twice the area
    step = 1e-3 * normal / np.sqrt(np.maximum(length, 1e-300))
    winding = winding_numbers((a + b + c) / 3 - step, vertices, faces)
    winding[length[:, 0] == 0] = 1.0  # a face without area has no side
    return np.median(winding.reshape(len(count), _SAMPLES), axis=1)
