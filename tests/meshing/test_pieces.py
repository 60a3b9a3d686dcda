"""Pieces of a surface that are too small are left out."""

import numpy as np
import pytest
import torch
import trimesh

from im2mesh.config.schema import GenerationConfig
from im2mesh.generation.surface import extract_mesh
from im2mesh.meshing.mesh import Mesh
from im2mesh.meshing.pieces import count_pieces, without_small_pieces


def box(side: float, x: float) -> trimesh.Trimesh:
    made = trimesh.creation.box((side, side, side))
    made.apply_translation((x, 0, 0))
    return made


def joined(*parts: trimesh.Trimesh) -> Mesh:
    whole = trimesh.util.concatenate(parts)
    return Mesh(np.asarray(whole.vertices, np.float32), np.asarray(whole.faces, np.int32))


@pytest.mark.parametrize(("smallest", "left"), [(0.0, 3), (1e-4, 3), (2e-3, 2), (0.2, 1), (1.0, 1)])
def test_pieces_are_kept_by_their_volume(smallest, left):
    """Boxes of volumes 1, 0.125 and 0.001, the largest in the middle of the arrays."""
    mesh = joined(box(0.5, 2), box(1, 0), box(0.1, -2))
    found = without_small_pieces(mesh, smallest)
    assert len(found.vertices) == 8 * left and len(found.faces) == 12 * left
    volumes = sorted(piece.volume for piece in trimesh.Trimesh(*found_arrays(found)).split())
    np.testing.assert_allclose(volumes, [0.001, 0.125, 1][3 - left :], rtol=1e-5)


def test_pieces_are_counted():
    assert count_pieces(joined(box(0.5, 2), box(1, 0), box(0.1, -2))) == 3
    assert count_pieces(Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))) == 0


def found_arrays(mesh: Mesh):
    return mesh.vertices, mesh.faces


def test_a_hollow_is_filled():
    hollow = box(0.1, 0)
    hollow.invert()
    mesh = joined(box(1, 0), hollow)
    found = without_small_pieces(mesh, 0.01)
    np.testing.assert_allclose(trimesh.Trimesh(*found_arrays(found)).volume, 1, rtol=1e-5)


def test_where_the_body_stands_does_not_matter():
    mesh = joined(box(1, 1000.0), box(0.1, 1002.0))
    assert len(without_small_pieces(mesh, 2e-3).vertices) == 8
    assert len(without_small_pieces(mesh, 5e-4).vertices) == 16


def test_nothing_is_left_out_of_nothing():
    empty = Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
    assert without_small_pieces(empty, 0.1).is_empty


def test_an_extracted_surface_is_cleaned():
    """A ball, and a speck beside it."""

    def logits(points):
        ball = 0.25 - points.norm(dim=-1)
        speck = 0.03 - (points - torch.tensor([0.45, 0.45, 0.45])).norm(dim=-1)
        return 100 * torch.maximum(ball, speck)

    kept, cleaned = (
        extract_mesh(logits, GenerationConfig(threshold=0.5, smallest_piece=part))
        for part in (0.0, 0.01)
    )
    count = [
        trimesh.Trimesh(*found_arrays(mesh), process=False).body_count for mesh in (kept, cleaned)
    ]
    assert count == [2, 1]
