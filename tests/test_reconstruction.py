"""The library's door: any number of frames at any times, images, given surfaces."""

import warnings

import numpy as np
import pytest
import torch
import trimesh

from im2mesh.build import build_config, build_trainer
from im2mesh.data.clouds import gather_clouds
from im2mesh.data.transforms import NormalizationFrame
from im2mesh.errors import Advice, ConfigError
from im2mesh.meshing.io import numbered_meshes, read_mesh
from im2mesh.meshing.mesh import Mesh
from im2mesh.meshing.mesh_sequence import MeshSequence
from im2mesh.reconstruction import Reconstructor
from im2mesh.runs.checkpoints import load_checkpoint, save_checkpoint
from tests.ball import write_ball_dataset, write_ball_images
from tests.small import write_small_config

SPACE_TIME = [
    "model.encoder_temporal={name: pointnet_space_time, hidden_size: 16, num_blocks: 2}",
    "data.input_pointcloud_corresponding=false",
]
FLOW_ALONE = [
    "model.encoder=null", "model.decoder=null", "loss.reconstruction=0.0",
    "model.encoder_temporal={name: pointnet_2stream, hidden_size: 16, num_blocks: 2}",
    "data.num_input_frames=2", "data.num_points=0", "validation.num_points=0",
    "generation.surface=cloud",
]  # fmt: skip


def reconstructor(folder, root, overrides) -> Reconstructor:
    """Of an untrained model whose surface is there all the same."""
    config = build_config(write_small_config(folder, root), overrides)
    trainer = build_trainer(config, torch.device("cpu"))
    if getattr(trainer.model, "decoder", None) is not None:
        torch.nn.init.constant_(trainer.model.decoder.fc_out.bias, 0.1)
    trainer.save(folder / "model.pt")
    return Reconstructor.from_checkpoint(folder / "model.pt", device="cpu")


def test_frames_may_be_missing_and_times_uneven(ball_root, tmp_path, clouds):
    reconstruct = reconstructor(tmp_path, ball_root, SPACE_TIME)
    some, when = clouds[[0, 1, 4]], [0.0, 0.25, 1.0]
    meshes = reconstruct(some, times=[0.0, 0.1, 0.7, 1.0], input_times=when)
    np.testing.assert_allclose(meshes.times, [0.0, 0.1, 0.7, 1.0])
    assert not meshes.is_empty
    later = reconstruct(some, times=[0.0, 0.1, 0.7, 1.0], input_times=[0.0, 0.75, 1.0])
    assert not np.allclose(later.vertices[-1], meshes.vertices[-1])  # the times matter


def test_a_checkpoint_with_meshes_that_do_not_fit_is_not_called_damaged(ball_root, tmp_path):
    """Earlier versions trained it: train.py did not look at section generation."""
    config = build_config(write_small_config(tmp_path, ball_root))
    trainer = build_trainer(config, torch.device("cpu"))
    trainer.save(tmp_path / "model.pt")
    checkpoint = load_checkpoint(tmp_path / "model.pt")
    checkpoint.config["generation"] |= {"times": [0.0, 1.0], "num_steps": 2}
    save_checkpoint(tmp_path / "model.pt", checkpoint)
    with pytest.raises(
        ConfigError, match=r"model\.pt: generation\.times and generation\.num_steps"
    ):
        Reconstructor.from_checkpoint(tmp_path / "model.pt", device="cpu")


def test_uneven_times_need_an_encoder_that_sees_them(ball_root, tmp_path, clouds):
    reconstruct = reconstructor(tmp_path, ball_root, [])
    with pytest.raises(ValueError, match=r"does not see the times .*/local\.yaml"):
        reconstruct(clouds, input_times=[0.0, 0.1, 0.2, 0.3, 1.0])


@pytest.mark.parametrize("wrong", [[0.0, 1.0], [0.5, 0.6, 1.0], [0.0, 0.5, 0.5], [0.0, 0.5, 2.0]])
def test_wrong_input_times_are_refused(wrong, ball_root, tmp_path, clouds):
    reconstruct = reconstructor(tmp_path, ball_root, SPACE_TIME)
    with pytest.raises(ValueError, match="input_times must be 3 numbers that increase from 0"):
        reconstruct(clouds[:3], input_times=wrong)


def test_arguments_without_effect_are_refused(ball_root, tmp_path, clouds):
    reconstruct = reconstructor(tmp_path, ball_root, [])
    mesh = Mesh(np.zeros((3, 3), np.float32), np.array([[0, 1, 2]], np.int32))
    with pytest.raises(ValueError, match="this model extracts its surface; surfaces must be None"):
        reconstruct(clouds, surfaces=(mesh, None))
    with pytest.raises(ValueError, match=r"clouds must have shape \[T, N, 3\], got \[0, 40, 3\]"):
        reconstruct(clouds[:0])


def test_two_clouds_are_matched(ball_root, tmp_path, clouds):
    reconstruct = reconstructor(tmp_path, ball_root, FLOW_ALONE)
    meshes = reconstruct(clouds[[0, -1]], times=[0.0, 1.0])
    np.testing.assert_allclose(meshes.vertices[0], clouds[0], atol=1e-6)
    assert meshes.vertices.shape == (2, 40, 3)


def test_two_meshes_are_interpolated(ball_root, tmp_path, clouds):
    overrides = [*FLOW_ALONE, "generation.surface=mesh", "generation.blend_from_end=true"]
    reconstruct = reconstructor(tmp_path, ball_root, overrides)
    faces = np.array([[0, 1, 2]], np.int32)
    first, last = (Mesh(clouds[k][:3].astype(np.float32), faces) for k in (0, -1))
    meshes = reconstruct(clouds[[0, -1]], times=[0.0, 0.4, 1.0], surfaces=(first, last))
    np.testing.assert_allclose(meshes.vertices[0], first.vertices, atol=1e-6)
    np.testing.assert_allclose(meshes.vertices[2], last.vertices, atol=1e-6)
    np.testing.assert_array_equal(meshes.faces, faces)
    with pytest.raises(ValueError, match="needs the surface of the last frame, too"):
        reconstruct(clouds[[0, -1]], surfaces=(first, None))


def test_images_are_reconstructed_in_units_of_the_first_frame(tmp_path):
    root = tmp_path / "balls"
    write_ball_dataset(root)
    write_ball_images(root, num_views=4, size=16)
    overrides = [
        "data.input=images", "data.image_size=64", "model.encoder={name: resnet18}",
        "model.encoder_temporal={name: conv_3D}",
    ]  # fmt: skip
    reconstruct = reconstructor(tmp_path, root, overrides)
    meshes = reconstruct(np.random.default_rng(0).random((5, 3, 64, 64)), times=[0.0, 1.0])
    assert np.abs(meshes.vertices[0]).max() < 0.6
    with pytest.raises(ValueError, match=r"images must have shape \[T, 3, H, W\], got \[5, 64"):
        reconstruct(np.zeros((5, 64, 64, 3)))
    with pytest.raises(ValueError, match="this model reads 5 images, got 1; cut the sequence"):
        reconstruct(np.zeros((1, 3, 64, 64)))
    with pytest.raises(
        ValueError, match=r"images must be in \[0, 1\], got 0 to 255; divide by 255"
    ):
        reconstruct(np.broadcast_to(255 * np.eye(64), (5, 3, 64, 64)))


MAP = np.array([500_000.0, 30.0, 5_400_000.0])
HALL = np.array([1e6, -2e6, 3e6])


@pytest.mark.parametrize(("offset", "unit"), [(MAP, 1.0), (HALL, 1000.0)])
def test_clouds_far_from_0_give_the_same_meshes_there(ball_root, tmp_path, clouds, offset, unit):
    reconstruct = reconstructor(tmp_path, ball_root, [])
    near = reconstruct(clouds, times=[0.0, 0.4, 1.0])
    far = reconstruct(unit * clouds + offset, times=[0.0, 0.4, 1.0])
    assert near.num_vertices > 100
    expected = unit * near.vertices + offset
    np.testing.assert_allclose(far.vertices, expected, rtol=0, atol=1e-4 * unit)
    far.save(tmp_path / "moving.glb")
    read = MeshSequence.load(tmp_path / "moving.glb").in_world().vertices
    np.testing.assert_allclose(read, expected, rtol=0, atol=2e-4 * unit)
    for format in ("ply", "off", "obj"):
        far.save(tmp_path / format, format)
        read = [read_mesh(path).vertices for path in numbered_meshes(tmp_path / format)]
        np.testing.assert_allclose(read, expected, rtol=0, atol=1e-4 * unit)


@pytest.mark.parametrize("surface", ["cloud", "mesh"])
def test_surfaces_far_from_0_are_carried_there(ball_root, tmp_path, clouds, surface):
    overrides = [*FLOW_ALONE, f"generation.surface={surface}", "generation.blend_from_end=true"]
    reconstruct = reconstructor(tmp_path, ball_root, overrides)
    faces = np.array([[0, 1, 2]], np.int32)

    def carried(offset):
        ends = clouds[[0, -1]] + offset
        meshes = (Mesh(ends[0], faces), Mesh(ends[1], faces)) if surface == "mesh" else None
        return reconstruct(ends, times=[0.0, 0.4, 1.0], surfaces=meshes).vertices

    far = carried(MAP)
    np.testing.assert_allclose(far, carried(np.zeros(3)) + MAP, rtol=0, atol=1e-4)
    np.testing.assert_allclose(far[2], clouds[-1] + MAP, rtol=0, atol=1e-4)


def test_meshes_of_every_time_are_far_from_0_too(ball_root, tmp_path, clouds):
    per_frame = [
        "generation.threshold=0.1",
        "model.method=onet_per_frame", "model.encoder_temporal=null", "model.velocity_field=null",
        "loss.correspondence=0.0",
    ]  # fmt: skip
    reconstruct = reconstructor(tmp_path, ball_root, per_frame)
    near, far = (reconstruct(clouds + offset, times=[0.0, 1.0]) for offset in (0 * MAP, MAP))
    assert min(len(mesh.faces) for mesh in near.meshes) > 100
    for one, other in zip(near.meshes, far.meshes, strict=True):
        np.testing.assert_allclose(other.vertices, one.vertices + MAP, rtol=0, atol=1e-4)


def test_clouds_whose_float32_is_too_coarse_are_told(ball_root, tmp_path, clouds):
    reconstruct = reconstructor(tmp_path, ball_root, [])
    with pytest.warns(Advice, match=r"the clouds are float32 .* in steps of 0\.5, which has bent"):
        reconstruct((clouds + MAP).astype(np.float32))
    with warnings.catch_warnings():
        warnings.simplefilter("error", Advice)
        reconstruct(clouds.astype(np.float32))


def test_given_surfaces_inside_out_or_in_other_units_are_told(ball_root, tmp_path, clouds):
    overrides = [*FLOW_ALONE, "generation.surface=mesh"]
    reconstruct = reconstructor(tmp_path, ball_root, overrides)
    box = trimesh.creation.box([0.6, 0.6, 0.6])
    vertices, faces = np.array(box.vertices) + clouds[0].mean(0), np.array(box.faces, np.int32)
    outward = reconstruct(clouds[[0, -1]], surfaces=(Mesh(vertices, faces), None))
    np.testing.assert_array_equal(outward.faces, faces)
    with pytest.warns(Advice, match="the first surface is inside out and was turned"):
        turned = reconstruct(clouds[[0, -1]], surfaces=(Mesh(vertices, faces[:, ::-1]), None))
    np.testing.assert_array_equal(turned.faces, faces)
    np.testing.assert_array_equal(turned.vertices, outward.vertices)
    with pytest.warns(Advice, match="the first surface is 1100 times as large as the body"):
        reconstruct(clouds[[0, -1]], surfaces=(Mesh(1000 * vertices, faces), None))
    frame = NormalizationFrame(clouds[0].mean(0), 0.0006)
    with pytest.warns(Advice, match="the first cloud is 940 times as large as a body in its frame"):
        reconstruct(clouds[[0, -1]], frame=frame, surfaces=(Mesh(vertices, faces), None))


def test_clouds_of_any_sizes_with_gaps_where_rows_need_not_correspond(ball_root, tmp_path, clouds):
    reconstruct = reconstructor(tmp_path, ball_root, SPACE_TIME)
    some = [cloud[: 40 - k] for k, cloud in enumerate(clouds)]
    some[2] = some[2].copy()
    some[2][7] = np.nan
    some[2][8, 1] = np.inf
    with pytest.warns(Advice) as told:
        meshes = reconstruct(some, times=[0.0, 1.0])
    assert [str(warning.message) for warning in told] == [
        "2 points with NaN or infinity are left out",
        "clouds have from 36 to 40 points; 36 random ones of each are used",
    ]
    assert np.isfinite(meshes.vertices).all() and not meshes.is_empty
    with pytest.warns(Advice):
        np.testing.assert_array_equal(reconstruct(some, times=[0.0, 1.0]).vertices, meshes.vertices)


def test_a_cloud_without_a_point_is_refused_by_its_number(ball_root, tmp_path, clouds):
    reconstruct = reconstructor(tmp_path, ball_root, SPACE_TIME)
    clouds[3] = np.nan
    with pytest.raises(ValueError, match="cloud 3 has no point without NaN or infinity"):
        reconstruct(clouds)
    with pytest.raises(ValueError, match=r"each cloud must have shape \[N, 3\], got \[40, 2\]"):
        reconstruct([cloud[:, :2] for cloud in clouds])


@pytest.mark.filterwarnings("ignore::im2mesh.errors.Advice")
def test_fewer_points_than_a_model_needs(clouds):
    with pytest.raises(ValueError, match="the smallest cloud has 3 points, and this model needs"):
        gather_clouds([clouds[0], clouds[1][:3]], 0, corresponding=False, min_points=9)


def test_times_are_0_and_1_up_to_rounding(ball_root, tmp_path, clouds):
    reconstruct = reconstructor(tmp_path, ball_root, SPACE_TIME)
    times = [-1e-9, 0.5, 1 + 1e-9]
    meshes = reconstruct(clouds[[0, 1, 4]], times=times, input_times=times)
    assert meshes.times.tolist() == [0.0, 0.5, 1.0]
    given = MeshSequence(meshes.faces, meshes.vertices, np.array(times))
    assert given.times.tolist() == [0.0, 0.5, 1.0]
    config = build_config(tmp_path / "small.yaml", ["generation.times=[0.0, 0.5, 1.000000001]"])
    assert config.generation.times == [0.0, 0.5, 1.0]
    with pytest.raises(ConfigError, match=r"generation\.times"):
        build_config(tmp_path / "small.yaml", ["generation.times=[0.0, 1.001]"])
