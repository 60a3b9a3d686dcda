"""Surfaces that are given and carried: interpolation between two, matching of one to another."""

import numpy as np
import pytest
import torch

from im2mesh.config.schema import DataConfig, GenerationConfig
from im2mesh.data.batch import Observation
from im2mesh.data.frames import StoredWindow
from im2mesh.data.layout import DataError, Window
from im2mesh.data.transforms import NormalizationFrame
from im2mesh.errors import UserError
from im2mesh.evaluation.predictions import prediction_of
from im2mesh.generation.generator import Generator
from im2mesh.generation.inputs import read_given_surface
from im2mesh.generation.surface import GivenSurface, given_clouds
from im2mesh.meshing.frame_meshes import FrameMeshes, load_reconstruction
from im2mesh.meshing.io import read_mesh
from im2mesh.meshing.mesh import Mesh
from im2mesh.models.baselines import NearestNeighbour
from im2mesh.models.flow.flow import Flow
from im2mesh.models.occupancy_flow import OccupancyFlow
from im2mesh.models.sequence_model import SequenceModel
from tests.problems import Constant, Rotation

FRAME = NormalizationFrame(np.array([1.0, 2.0, 3.0]), 2.0)
TRIANGLE = np.array([[0, 1, 2]], np.int32)
CORNERS = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], np.float32)
NOTHING = Observation(np.zeros((0, 0, 3), np.float32), np.zeros(0, np.float32))


def flow_alone() -> OccupancyFlow:
    return OccupancyFlow(None, None, None, Flow(Constant()))


def generator(field: torch.nn.Module, **changes) -> Generator:
    model = OccupancyFlow(None, None, None, Flow(field))
    return Generator(model, GenerationConfig(surface="mesh", **changes), num_frames=5)


@pytest.mark.parametrize("velocity", [(0.0, 0.0, 0.0), (0.3, -0.2, 0.1)])
def test_interpolation_of_a_constant_field_has_the_right_weights(velocity):
    """Forward and backward errors cancel: the way from 0 to 1 is exactly 1/4, 1/2, 3/4, 1."""
    given = GivenSurface(Mesh(CORNERS, TRIANGLE), Mesh(CORNERS + 1, TRIANGLE))
    meshes = generator(Constant(velocity), blend_from_end=True).generate(
        NOTHING, frame=FRAME, given=given
    )
    for time, vertices in zip((0, 0.25, 0.5, 0.75, 1), meshes.vertices, strict=True):
        np.testing.assert_allclose(vertices, CORNERS + time, atol=2e-6)
    np.testing.assert_array_equal(meshes.faces, TRIANGLE)


def test_interpolation_of_the_true_motion_is_the_true_motion():
    field = Rotation(1.0)
    end = field.path(torch.as_tensor(CORNERS), torch.tensor(1.0)).detach().numpy()
    given = GivenSurface(Mesh(CORNERS, TRIANGLE), Mesh(end, TRIANGLE))
    settings = {"blend_from_end": True, "times": [0.0, 0.3, 0.8]}
    meshes = generator(field, **settings).generate(NOTHING, frame=FRAME, given=given)
    for time, vertices in zip((0, 0.3, 0.8), meshes.vertices, strict=True):
        truth = field.path(torch.as_tensor(CORNERS), torch.tensor(time)).detach().numpy()
        np.testing.assert_allclose(vertices, truth, atol=2e-3)


def test_clouds_can_be_carried_instead_of_meshes():
    clouds = np.stack([CORNERS, CORNERS + 1])
    observation = Observation(clouds, np.array([0, 1], np.float32))
    config = GenerationConfig(surface="cloud", blend_from_end=True)
    given = read_given_surface(
        DataConfig(), StoredWindow("", Window("a", "b", 0, 5)), observation, config
    )
    meshes = generator(Constant(), blend_from_end=True).generate(
        observation_of(0), frame=FRAME, given=given
    )
    assert meshes.num_faces == 0
    np.testing.assert_allclose(meshes.vertices[2], CORNERS + 0.5, atol=2e-6)


def observation_of(num_points: int) -> Observation:
    return Observation(np.zeros((2, num_points, 3), np.float32), np.array([0, 1], np.float32))


def test_what_does_not_go_together_is_refused(ball_root):
    with pytest.raises(ValueError, match="3 vertices and the last 4; to blend both"):
        GivenSurface(Mesh(CORNERS, TRIANGLE), Mesh(np.zeros((4, 3), np.float32), TRIANGLE))
    still = generator(Constant())
    with pytest.raises(ValueError, match="surface is mesh, so the surface must be given"):
        still.generate(NOTHING, frame=FRAME)
    model = OccupancyFlow(None, None, None, Flow(Constant()))
    with pytest.raises(ValueError, match="no occupancy network; set it to mesh or cloud"):
        Generator(model, GenerationConfig(), num_frames=5)
    with pytest.raises(ValueError, match=r"blend_from_end needs generation\.surface mesh or cloud"):
        Generator(
            OccupancyFlow(None, None, torch.nn.Identity(), Flow(Constant())),
            GenerationConfig(blend_from_end=True),
            num_frames=5,
        )
    stored = StoredWindow(ball_root, Window("balls", "ball_a", 0, 5))
    with pytest.raises(
        DataError, match=r"clip ball_a: no folder mesh_seq; set generation\.surface"
    ):
        read_given_surface(
            DataConfig(root=str(ball_root)), stored, NOTHING, GenerationConfig(surface="mesh")
        )
    with pytest.raises(DataError, match=r"clip ball_a: .* no cloud is observed; set it to mesh"):
        read_given_surface(
            DataConfig(root=str(ball_root)), stored, NOTHING, GenerationConfig(surface="cloud")
        )


def test_clouds_that_do_not_correspond_are_not_blended():
    clouds = Observation(np.stack([CORNERS, CORNERS + 1]), np.array([0, 1], np.float32))
    early = Observation(clouds.inputs, np.array([0, 0.4], np.float32))
    scans = DataConfig(input_pointcloud_corresponding=False)
    for observation, data in ((clouds, scans), (early, DataConfig())):
        with pytest.raises(ValueError, match="needs a cloud at t = 1 whose rows correspond"):
            given_clouds(observation, data, with_end=True)
        assert given_clouds(observation, data, with_end=False).end is None


@pytest.mark.parametrize(
    ("model", "changes", "message"),
    [
        (NearestNeighbour(), {"surface": "cloud", "blend_from_end": True}, "carry a surface back"),
        (flow_alone(), {"surface": "mesh", "simplify_faces": 100}, "for extracted surfaces"),
        (flow_alone(), {"surface": "mesh", "refinement_steps": 1}, "for extracted surfaces"),
        (flow_alone(), {"surface": "cloud", "normals": True}, "points without faces have no"),
    ],
)
def test_settings_without_effect_are_refused(model, changes, message):
    with pytest.raises(ValueError, match=message):
        Generator(model, GenerationConfig(**changes), num_frames=5)


class GrowingBall(SequenceModel):
    """Occupancy alone: a ball of radius 0.2 + 0.1 t."""

    method = "growing_ball"

    @property
    def answers(self):
        return frozenset({"occupancy"})

    def encode(self, inputs, times, generator=None):
        return OccupancyFlow(None, None, None, Flow(Constant())).encode(inputs, times)

    def occupancy_logits(self, points_t, t, codes):
        return 50 * (0.2 + 0.1 * t.view(-1, 1) - points_t.norm(dim=-1))


def growing_ball(**changes) -> FrameMeshes:
    config = GenerationConfig(threshold=0.5, resolution=16, upsampling_steps=1, **changes)
    meshes = Generator(GrowingBall(), config, num_frames=3).generate(NOTHING, frame=FRAME)
    assert isinstance(meshes, FrameMeshes)
    return meshes


def test_without_motion_a_mesh_is_extracted_at_every_time(tmp_path):
    meshes = growing_ball(normals=True)
    for mesh, radius in zip(meshes.meshes, (0.2, 0.25, 0.3), strict=True):
        assert np.linalg.norm(mesh.vertices, axis=1).mean() == pytest.approx(radius, abs=0.003)
    meshes.save(tmp_path / "sequence.npz")
    again = load_reconstruction(tmp_path / "sequence.npz")
    assert isinstance(again, FrameMeshes) and again.normals is not None
    for before, after in zip(meshes.meshes, again.meshes, strict=True):
        np.testing.assert_array_equal(before.vertices, after.vertices)
        np.testing.assert_array_equal(before.faces, after.faces)
    meshes.save(tmp_path / "meshes", "off")
    last = read_mesh(tmp_path / "meshes" / "00002.off")
    np.testing.assert_array_equal(last.vertices, meshes.meshes[2].vertices)
    center = np.mean(meshes.in_world().meshes[0].vertices, axis=0)
    np.testing.assert_allclose(center, FRAME.loc, atol=0.01)


def test_a_file_of_meshes_that_was_cut_is_named(tmp_path):
    growing_ball().save(tmp_path / "sequence.npz")
    arrays = dict(np.load(tmp_path / "sequence.npz"))
    np.savez(tmp_path / "sequence.npz", **{**arrays, "vertices": arrays["vertices"][:-1]})
    with pytest.raises(UserError, match=r"sequence\.npz: not readable meshes: \d+ rows"):
        load_reconstruction(tmp_path / "sequence.npz")


def test_a_prediction_may_have_more_or_fewer_frames_but_no_other_times():
    window = Window("a", "b", 0, 5)
    meshes = generator(Constant(), num_steps=2).generate(
        NOTHING, frame=FRAME, given=GivenSurface(Mesh(CORNERS, TRIANGLE))
    )
    assert list(prediction_of(window, meshes).meshes) == [0, 4]
    finer = generator(Constant(), num_steps=9).generate(
        NOTHING, frame=FRAME, given=GivenSurface(Mesh(CORNERS, TRIANGLE))
    )
    assert list(prediction_of(window, finer).meshes) == [0, 1, 2, 3, 4]
    other = generator(Constant(), num_steps=4).generate(
        NOTHING, frame=FRAME, given=GivenSurface(Mesh(CORNERS, TRIANGLE))
    )
    with pytest.raises(UserError, match="4 meshes at other times than the 5 true frames"):
        prediction_of(window, other)
