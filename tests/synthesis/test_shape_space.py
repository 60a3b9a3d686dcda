"""People of the shape space: different from each other, and each a body."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import trimesh

from im2mesh.meshing.containment import points_inside_mesh
from im2mesh.synthesis import bake_space
from im2mesh.synthesis.bake_space import KINDS, draw_people, find_components, reconstruction_errors
from im2mesh.synthesis.body import load_body
from im2mesh.synthesis.shape_space import COMPONENT_UNIT, FIRST_OF_SPACE, SPACE_FILE, find_body
from im2mesh.synthesis.softness import heaviness, softness_of, volume_of

PEOPLE = range(FIRST_OF_SPACE, FIRST_OF_SPACE + 110)
SOME = PEOPLE[: len(KINDS)]


def height_of(index: int) -> float:
    return float(np.ptp(find_body(index).vertices[:, 1]))


def test_people_have_plausible_sizes() -> None:
    heights = np.array([height_of(index) for index in PEOPLE])
    volumes = np.array([volume_of(find_body(index)) for index in PEOPLE])
    assert 1.05 < heights.min() < 1.3 and 1.8 < heights.max() < 2.05
    mass_index = 1000 * volumes / heights**2
    assert 13 < mass_index.min() < 18 and 32 < mass_index.max() < 48


@pytest.mark.parametrize("index", SOME)
def test_people_have_one_closed_skin(index: int) -> None:
    body = find_body(index)
    mesh = trimesh.Trimesh(body.vertices, body.faces, process=False)
    assert mesh.is_watertight and mesh.is_winding_consistent
    assert mesh.volume > 0.015


def test_faces_are_not_turned_over() -> None:
    """Each face looks where that of a baked body looks, to within what shape can do."""
    pattern = trimesh.Trimesh(load_body(0).vertices, load_body(0).faces, process=False)
    for index in SOME:
        body = find_body(index)
        mesh = trimesh.Trimesh(body.vertices, body.faces, process=False)
        agreement = np.sum(mesh.face_normals * pattern.face_normals, axis=1)
        assert np.mean(agreement < 0) < 0.002, index


def test_no_two_people_are_alike() -> None:
    shapes = np.stack([find_body(index).vertices for index in SOME])
    shapes -= shapes.mean(axis=1, keepdims=True)
    apart = np.linalg.norm(shapes[:, None] - shapes[None], axis=-1).mean(axis=-1)
    assert apart[~np.eye(len(shapes), dtype=bool)].min() > 0.005


def test_a_skeleton_lies_within_its_skin() -> None:
    for index in SOME:
        body = find_body(index)
        names = ("spine03", "lowerleg01.L", "lowerarm01.R", "head", "upperleg01.R", "wrist.L")
        joints = np.array([body.joint(name) for name in names])
        assert points_inside_mesh(joints, body.vertices, body.faces).all(), index


def test_space_is_small_and_shares_the_rest_with_the_baked_bodies() -> None:
    assert SPACE_FILE.stat().st_size < 3e6
    with np.load(SPACE_FILE) as archive:
        assert set(archive) == {"mean", "components", "scores"}
    assert find_body(FIRST_OF_SPACE).faces is load_body(0).faces


def test_a_number_between_the_kinds_of_bodies_is_refused() -> None:
    with pytest.raises(ValueError, match="no body has the number 10; the baked ones are 0 to 9"):
        find_body(10)
    assert find_body(3) is load_body(3)


def test_heavier_people_are_softer() -> None:
    by_weight = sorted(SOME, key=lambda index: heaviness(find_body(index)))
    lean, heavy = (softness_of(find_body(index)) for index in (by_weight[0], by_weight[-1]))
    assert heavy.mean() > 2 * lean.mean()
    assert lean.min() >= 0 and heavy.max() <= 1


def test_feet_and_hands_are_firm_and_softness_is_smooth() -> None:
    body = find_body(FIRST_OF_SPACE)
    softness = softness_of(body)
    main = body.weights.toarray().argmax(axis=1)
    firm = np.array([name.startswith(("foot", "toe", "finger", "wrist")) for name in body.names])
    assert softness[firm[main]].max() < 0.01
    edges = body.faces[:, [0, 1]]
    assert np.abs(np.diff(softness[edges], axis=1)).max() < 0.06


def test_components_describe_people_who_were_not_drawn() -> None:
    """On people made of three modes, three components leave nothing but rounding."""
    rng = np.random.default_rng(0)
    mean, modes = 0.3 * rng.normal(size=(20, 3)), 0.1 * rng.normal(size=(3, 20, 3))
    drawn, others = (mean + np.tensordot(rng.normal(size=(n, 3)), modes, 1) for n in (40, 10))
    space = find_components(drawn, 3)
    assert reconstruction_errors(space, others).max() < 10 * COMPONENT_UNIT
    assert reconstruction_errors(find_components(drawn, 2), others).max() > 0.02
    np.testing.assert_allclose(np.std(space["scores"].astype(float), axis=0, ddof=1), 1, atol=0.01)


def test_kinds_of_people_take_turns() -> None:
    people = draw_people(5 * len(KINDS), seed=0)
    assert people["age"][:: len(KINDS)].min() >= KINDS[0].age[0]
    assert people["weight"].max() > 1.2
    origins = torch.stack([people[name] for name in ("african", "asian", "caucasian")])
    torch.testing.assert_close(origins.sum(dim=0), torch.ones(5 * len(KINDS)))


def test_baking_tells_its_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """With a stand-in for the package anny, whose bodies are spheres of the drawn heights."""
    rng = np.random.default_rng(0)
    ball = torch.as_tensor(rng.normal(size=(30, 3))).float()

    class Model:
        def to(self, _: torch.dtype) -> "Model":
            return self

        def __call__(self, phenotype_kwargs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
            height = phenotype_kwargs["height"]
            poses = torch.eye(4).repeat(len(height), 2, 1, 1)
            return {
                "rest_vertices": height[:, None, None] * ball,
                "rest_bone_poses": poses * height[:, None, None, None],
            }

    monkeypatch.setattr(bake_space, "NUM_PEOPLE", 30)
    monkeypatch.setattr(bake_space, "NUM_COMPONENTS", 2)
    space = bake_space.bake_space(SimpleNamespace(Anny=lambda **_: Model()), "any")
    assert space["components"].shape == (2, 32, 3)
    assert "mean error 0.0" in capsys.readouterr().out
