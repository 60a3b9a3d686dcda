"""Networks that read the image where a point is seen."""

from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
import torch
from torch import nn

from im2mesh.build import build_config, build_model
from im2mesh.config.schema import OdeConfig
from im2mesh.data.transforms import NormalizationFrame
from im2mesh.errors import UserError
from im2mesh.generation.generator import Generator
from im2mesh.meshing.mesh_sequence import MeshSequence
from im2mesh.models.code import Code, interpolate_frames
from im2mesh.models.decoders import DecoderCBatchNorm
from im2mesh.models.encoders.image_network import ImageNetwork
from im2mesh.models.encoders.image_resnet import ImageResnet
from im2mesh.models.encoders.images import Conv3D, Resnet18
from im2mesh.models.flow.flow import Flow
from im2mesh.models.flow.velocity_fields import VelocityFieldConcat
from im2mesh.models.pixels.code import PixelCode
from im2mesh.models.pixels.decoder import DecoderPixelAligned
from im2mesh.models.pixels.encoder import ImagePixels
from im2mesh.models.pixels.projection import project, read_maps
from im2mesh.models.pixels.velocity_field import VelocityFieldPixelAligned
from im2mesh.models.views import Views, with_cameras
from im2mesh.reconstruction import Reconstructor

FRONT = torch.tensor([[1.0, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
"""Sees x to the right and y up; z, which comes towards it, does not matter."""
PINHOLE = torch.tensor([[2.0, 0, 0, 0], [0, -2.0, 0, 0], [0, 0, -1.0, 2.0]])
B, K, C = 2, 3, 8
Network = TypeVar("Network", bound=nn.Module)


def views(size: int = 32) -> Views:
    return Views.of_windows(torch.rand(B, K, 3, size, size), FRONT.expand(B, K, 3, 4))


def trained(network: Network) -> Network:
    """The network with other weights: fresh ones add nothing of what images show."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network


def times() -> torch.Tensor:
    return torch.linspace(0, 1, K).expand(B, K)


def code(maps: torch.Tensor) -> PixelCode:
    nothing = torch.zeros(B, 0)
    return PixelCode(torch.zeros(B, C), nothing, maps, FRONT.expand(B, K, 3, 4), times())


class TestProjection:
    def test_parallel_projection_has_the_depth_along_its_direction(self) -> None:
        points = torch.tensor([[[0.1, 0.2, 0.3]]])
        torch.testing.assert_close(
            project(points, FRONT[None]), torch.tensor([[[0.1, -0.2, -0.3]]])
        )

    def test_pinhole_sees_near_points_larger_and_tells_how_near(self) -> None:
        points = torch.tensor([[[0.0, 0.0, 0.5], [0.0, 0.0, -0.5], [0.3, 0.0, 1.0]]])
        seen = project(points, PINHOLE[None])[0]
        torch.testing.assert_close(seen[:, 0], torch.tensor([0.0, 0.0, 0.6]))
        torch.testing.assert_close(seen[:2, 2], torch.tensor([-0.5, 0.5]))
        sight = torch.tensor([0.3, 0.0, -1.0]) / (0.09 + 1) ** 0.5  # from the camera at (0, 0, 2)
        torch.testing.assert_close(seen[2, 2], points[0, 2] @ sight)

    def test_a_common_factor_of_the_camera_changes_nothing(self) -> None:
        points, camera = torch.rand(1, 5, 3), torch.rand(1, 3, 4) + torch.eye(3, 4)
        torch.testing.assert_close(project(points, camera), project(points, -3 * camera))

    def test_autocast_rounds_nothing(self) -> None:
        points, camera = torch.rand(1, 50, 3), torch.rand(1, 3, 4) + torch.eye(3, 4)
        with torch.autocast("cpu", torch.bfloat16):
            rounded = project(points, camera)
        torch.testing.assert_close(rounded, project(points, camera), atol=0, rtol=0)

    def test_maps_are_read_where_the_point_is_seen(self) -> None:
        """The middles of the pixels of a map are those of the same share of the image."""
        maps = torch.zeros(1, 1, 4, 8)
        maps[0, 0, 1, 6] = 1
        middle = torch.tensor([[[2 * 6.5 / 8 - 1, 2 * 1.5 / 4 - 1], [-1.0, -1.0], [7.0, 7.0]]])
        torch.testing.assert_close(read_maps(maps, middle)[0, :, 0], torch.tensor([1.0, 0.0, 0.0]))


class TestEncoders:
    @pytest.mark.parametrize("num_frames", [1, K])
    @pytest.mark.parametrize("network", [ImageResnet, ImagePixels])
    def test_every_weight_gets_a_gradient(self, network: type, num_frames: int) -> None:
        torch.manual_seed(0)
        encoder = network(num_frames, C, width=8, hidden_size=16)
        with torch.no_grad():  # blocks start as their shortcuts
            for parameter in encoder.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
        found = encoder(views()[:, :num_frames], times()[:, :num_frames])
        whole = found.c if isinstance(found, Code) else found
        loss = whole.square().sum()
        if isinstance(found, PixelCode):
            loss = loss + found.maps.square().sum()
        loss.backward()
        assert [
            n for n, p in encoder.named_parameters() if p.grad is None or not p.grad.any()
        ] == []

    @pytest.mark.parametrize(("halvings", "size"), [(1, 16), (2, 8), (4, 2)])
    def test_sizes_of_the_maps(self, halvings: int, size: int) -> None:
        found = ImagePixels(K, C, width=8, halvings=halvings)(views(), times())
        assert found.maps.shape == (B, K, C, size, size) and found.c.shape == (B, C)
        assert found.cameras.shape == (B, K, 3, 4)

    def test_cells_of_all_maps_lie_over_their_pixels(self) -> None:
        """What a cell sees is centred where `read_maps` looks for the cell."""
        network = ImageNetwork(3, 8)
        for block in network.blocks:
            block.norm_0 = block.norm_1 = nn.Identity()  # they look at the whole image
            nn.init.normal_(block.conv_1.weight)
        images = torch.rand(1, 3, 128, 128, requires_grad=True)
        for level, found in enumerate(network(images)):
            row = found.shape[2] // 2
            (seen,) = torch.autograd.grad(found[0, :, row, row].sum(), images, retain_graph=True)
            rows = seen[0].abs().sum((0, 2)).nonzero()
            size = 2 ** (level + 1)
            assert (rows.min() + rows.max() + 1) / 2 == (row + 0.5) * size

    @pytest.mark.parametrize("network", [Resnet18, Conv3D, ImageResnet])
    def test_encoders_of_codes_take_images_with_cameras(self, network: type) -> None:
        encoder, seen = network(1, C).eval(), views(64)[:, :1]
        codes = encoder(seen, times()[:, :1])
        torch.testing.assert_close(codes, encoder(seen.images, times()[:, :1]))

    def test_images_of_odd_sizes_are_read(self) -> None:
        found = ImagePixels(K, C, width=8)(views(37), times())
        assert found.maps.shape == (B, K, C, 18, 18)

    def test_sequences_do_not_depend_on_their_batch(self) -> None:
        """Also in training: batch statistics are what kept images from being learned."""
        encoder, seen = ImageResnet(K, C, width=8).train(), views()
        both, alone = encoder(seen, times()), encoder(seen.images[1:], times()[1:])
        torch.testing.assert_close(both[1:], alone, atol=1e-5, rtol=1e-4)

    @pytest.mark.parametrize("num_frames", [1, K])
    def test_a_code_cannot_fall_silent(self, num_frames: int) -> None:
        """However far training drives the units, the code still tells images apart."""
        torch.manual_seed(0)
        encoder = ImageResnet(num_frames, C, width=8, hidden_size=16)
        with torch.no_grad():
            encoder.mixer.fc_in.bias.sub_(100)
        codes = encoder(views()[:, :num_frames], times()[:, :num_frames])
        codes[:, 0].sum().backward()
        assert (codes[0] - codes[1]).abs().max() > 1e-5
        weight = encoder.mixer.fc_c.weight.grad
        assert weight is not None and weight[0].abs().max() > 1e-2

    def test_a_frame_is_compared_with_its_neighbours(self) -> None:
        encoder, seen = ImageResnet(K, C, width=8), views()
        backwards = Views.of_windows(seen.images.flip(1), seen.cameras)
        assert not torch.allclose(encoder(seen, times()), encoder(backwards, times()), atol=1e-4)

    def test_cameras_are_needed_for_maps(self) -> None:
        with pytest.raises(ValueError, match=r"needs the cameras of the images; set data\.view"):
            ImagePixels(K, C)(views().images, times())

    def test_other_sizes_are_refused(self) -> None:
        with pytest.raises(ValueError, match="width 12 of an image encoder must be a multiple of"):
            ImageNetwork(3, 12)
        with pytest.raises(ValueError, match="hidden_size 18 of an image encoder must be a mult"):
            ImageResnet(2, C, hidden_size=18)
        with pytest.raises(ValueError, match="halvings of encoder 'image_pixels' is 5, at most 4"):
            ImagePixels(1, C, halvings=5)


class TestDecoder:
    def test_only_the_pixel_of_a_point_matters(self) -> None:
        """Two points on one line of sight read the same features; another reads others."""
        decoder = trained(DecoderPixelAligned(3, C, 0, hidden_size=16)).eval()
        maps = torch.zeros(B, K, C, 8, 8)
        points = torch.tensor([[0.1, 0.1, -0.2], [0.1, 0.1, 0.3], [-0.6, 0.1, 0.3]]).expand(B, 3, 3)
        before = decoder(points, code(maps))
        maps[:, 0, :, 3, 4] = 1  # where (0.1, 0.1) is seen
        maps[:, 1:] = 5  # later images say nothing of t = 0
        changed = (decoder(points, code(maps)) - before).abs() > 1e-6
        assert changed.tolist() == [[True, True, False]] * B

    def test_a_fresh_one_answers_as_the_network_of_the_paper(self) -> None:
        """So a training can go on from the paper's network, and begin to look at pixels."""
        paper = trained(DecoderCBatchNorm(3, C, 0, hidden_size=16)).eval()
        decoder = DecoderPixelAligned(3, C, 0, hidden_size=16).eval()
        missing, unknown = decoder.load_state_dict(paper.state_dict(), strict=False)
        assert not unknown and all(name.startswith("pixels.") for name in missing)
        points = torch.rand(B, 5, 3) - 0.5
        seen = replace(code(torch.randn(B, K, C, 8, 8)), c=torch.randn(B, C))
        torch.testing.assert_close(decoder(points, seen), paper(points, seen), atol=0, rtol=0)

    def test_a_fresh_one_can_learn_to_look(self) -> None:
        decoder = DecoderPixelAligned(3, C, 0, hidden_size=16)
        maps, points = torch.randn(B, K, C, 8, 8), torch.rand(B, 5, 3) - 0.5
        search = torch.optim.SGD(decoder.parameters(), lr=0.1)
        decoder(points, code(maps)).square().sum().backward()
        found = [fc.weight.grad for fc in decoder.pixels.fc_pixel]
        assert all(grad is not None and bool(grad.any()) for grad in found)
        search.step()
        search.zero_grad()
        decoder(points, code(maps)).square().sum().backward()
        grad = decoder.pixels.to_features.weight.grad
        assert grad is not None and bool(grad.any())

    def test_points_in_space_and_time_are_refused(self) -> None:
        with pytest.raises(ValueError, match="it cannot read points"):
            DecoderPixelAligned(4, C, 0)


class TestVelocityField:
    def test_a_fresh_one_answers_as_the_network_of_the_paper(self) -> None:
        paper = trained(VelocityFieldConcat(C, 0, hidden_size=16))
        field = VelocityFieldPixelAligned(C, 0, hidden_size=16)
        missing, unknown = field.load_state_dict(paper.state_dict(), strict=False)
        assert not unknown and all(name.startswith("pixels.") for name in missing)
        points, moment = torch.rand(B, 5, 3) - 0.5, torch.full((B,), 0.25)
        seen = replace(code(torch.randn(B, K, C, 8, 8)), c=torch.randn(B, C))
        torch.testing.assert_close(
            field(moment, points, field.condition(seen)),
            paper(moment, points, paper.condition(seen)),
            atol=0,
            rtol=0,
        )

    def test_maps_between_frames_are_interpolated(self) -> None:
        field = trained(VelocityFieldPixelAligned(C, 0, hidden_size=16))
        seen, points = code(torch.randn(B, K, C, 8, 8)), torch.rand(B, 5, 3) - 0.5
        moment = torch.full((B,), 0.25)
        between = interpolate_frames(seen.maps, seen.times, moment)
        alone = code(between.unsqueeze(1).expand(B, K, C, 8, 8))
        torch.testing.assert_close(
            field(moment, points, field.condition(seen)),
            field(moment, points, field.condition(alone)),
        )

    @pytest.mark.parametrize("gradient", ["adjoint", "direct"])
    def test_gradients_reach_images_through_the_flow(self, gradient: str) -> None:
        torch.manual_seed(0)
        encoder = ImagePixels(K, C, width=8, hidden_size=16)
        flow = Flow(
            trained(VelocityFieldPixelAligned(C, 0, hidden_size=16)),
            OdeConfig(method="rk4", step_size=0.5, gradient=gradient),  # pyright: ignore[reportArgumentType]
        )
        path = flow.integrate_backward(
            torch.rand(B, 4, 3) - 0.5, torch.tensor([0.3, 1.0]), encoder(views(), times())
        )
        path[:, -1].square().sum().backward()
        for part in (encoder.to_map, encoder.mixer.fc_c, flow.velocity_field):
            grads = [p.grad for n, p in part.named_parameters() if "fc_1" not in n]
            assert all(g is not None and bool(g.isfinite().all()) for g in grads)
        assert encoder.to_map[0].weight.grad is not None
        assert encoder.to_map[0].weight.grad.abs().max() > 0

    def test_adjoint_and_direct_gradients_agree(self) -> None:
        points, found = torch.rand(B, 4, 3) - 0.5, []
        for gradient in ("adjoint", "direct"):
            torch.manual_seed(0)
            field = trained(VelocityFieldPixelAligned(C, 0, hidden_size=16)).double()
            ode = OdeConfig(method="rk4", step_size=0.05, gradient=gradient)  # pyright: ignore[reportArgumentType]
            maps = torch.randn(B, K, C, 4, 4, dtype=torch.float64, requires_grad=True)
            seen = PixelCode(
                torch.zeros(B, C).double(), torch.zeros(B, 0).double(), maps,
                FRONT.double().expand(B, K, 3, 4), times().double(),
            )  # fmt: skip
            path = Flow(field, ode).integrate_forward(
                points.double(), torch.tensor([0.0, 0.4]), seen
            )
            path[:, -1].square().sum().backward()
            assert maps.grad is not None
            weights = [p.grad for p in field.parameters() if p.grad is not None]
            assert len(weights) == len(list(field.parameters()))
            found.append([maps.grad, *weights])
        # maps are bilinear, so the solution is not smooth, and the two differ by its kinks
        for adjoint, direct in zip(*found, strict=True):
            assert (adjoint - direct).norm() <= 0.02 * direct.norm()


@pytest.mark.parametrize("parts", ["pixels", "vectors"])
def test_a_body_is_the_same_from_wherever_it_is_seen(parts: str, tmp_path: Path) -> None:
    """Body and camera, turned together, give answers that are turned alike: in any way, or about
    the upright axis for networks that know which way is up."""
    (tmp_path / "empty.yaml").write_text("output_dir: out")
    small = "width: 8, hidden_size: 16"
    changes = TestConfiguration.PARTS
    if parts == "vectors":
        changes = (
            "data.input=images", "data.view_cameras=true",
            f"model.encoder={{name: image_resnet, {small}}}",
            f"model.encoder_temporal={{name: image_resnet, {small}}}",
        )  # fmt: skip
    torch.manual_seed(0)
    solver = ("ode.method=rk4", "ode.step_size=0.25")  # an adaptive one measures along axes
    model = build_model(build_config(tmp_path / "empty.yaml", (*changes, *solver))).eval().double()
    for parameter in model.parameters():  # networks that are not untrained, whose velocity is 0
        parameter.data.add_(0.1 * torch.randn_like(parameter))
    images, clock = torch.rand(1, 17, 3, 32, 32).double(), torch.linspace(0, 1, 17).double()
    turn, _ = torch.linalg.qr(torch.randn(3, 3).double())
    turn = turn * torch.linalg.det(turn).sign()
    if parts == "pixels":
        turn = torch.tensor([[0.6, 0, 0.8], [0, 1, 0], [-0.8, 0, 0.6]], dtype=torch.float64)
    points, times = torch.rand(1, 9, 3).double() - 0.5, torch.tensor([0.0, 0.5, 1.0])
    half, found = torch.tensor([0.5]), []
    for rotation in (torch.eye(3).double(), turn):
        cameras = FRONT.double().expand(1, 17, 3, 4).clone()
        cameras[..., :3] = cameras[..., :3] @ rotation.T
        codes = model.encode(with_cameras(images, cameras), clock[None])
        here = points @ rotation.T
        moved = [
            model.trajectories(here, times, codes),
            model.trajectories_from_end(here, times, codes),
            model.velocities(here, 0.5, codes),
        ]
        logits = [model.occupancy_logits_0(here, codes), model.occupancy_logits(here, half, codes)]
        found.append([*logits, *(positions @ rotation for positions in moved)])
    assert (found[0][2][:, 2] - points).norm(dim=-1).min() > 1e-3
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-6)


class TestConfiguration:
    PARTS = (
        "data.input=images", "data.view_cameras=true", "model.encoder={name: image_pixels}",
        "model.encoder_temporal={name: image_pixels}", "model.decoder={name: pixel_aligned}",
        "model.velocity_field={name: pixel_aligned}",
    )  # fmt: skip

    @pytest.fixture
    def empty(self, tmp_path: Path) -> Path:
        (tmp_path / "empty.yaml").write_text("output_dir: out")
        return tmp_path / "empty.yaml"

    def test_the_parts_go_together(self, empty: Path) -> None:
        model = build_model(build_config(empty, self.PARTS))
        observed = with_cameras(torch.rand(1, 17, 3, 32, 32), FRONT.expand(1, 17, 3, 4))
        codes = model.encode(observed, torch.linspace(0, 1, 17)[None])
        assert isinstance(codes.shape, PixelCode) and codes.shape.maps.shape[1] == 1
        assert isinstance(codes.motion, PixelCode) and codes.motion.maps.shape[1] == 17

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            (
                ["data.view_cameras=false"],
                "needs the cameras of the images, but data.view_cameras is false",
            ),
            (
                [
                    "data.view_cameras=false",
                    "data.augment=true",
                    "model.encoder={name: image_resnet}",
                    "model.encoder_temporal={name: image_resnet}",
                    "model.decoder={name: cbatchnorm}",
                    "model.velocity_field={name: concat}",
                ],
                "data.augment mirrors images, and positions with them, so it must know the cam",
            ),
            (
                [
                    "model.method=onet4d",
                    "model.encoder=null",
                    "model.velocity_field=null",
                    "model.encoder_temporal={name: image_resnet}",
                    "model.decoder={name: cbatchnorm}",
                ],
                "data.view_cameras is true, but onet4d does not look at cameras; set it to false",
            ),
            (["model.encoder={name: image_resnet}"], "set model.encoder to one of: image_pixels"),
            (
                ["data.input=pointcloud", "model.encoder={name: pointnet_resnet}"],
                "data.view_cameras is true, but data.input is pointcloud; set",
            ),
            (
                [
                    "model.method=onet_per_frame",
                    "model.encoder_temporal=null",
                    "model.velocity_field=null",
                ],
                "data.view_cameras is true, but onet_per_frame does not look at cameras; set it to",
            ),
            (["data.image_size=8"], "needs images of at least 16 pixels a side"),
        ],
    )
    def test_what_does_not_go_together_is_refused(
        self, empty: Path, changes: list[str], message: str
    ) -> None:
        with pytest.raises(UserError, match=message):
            build_model(build_config(empty, [*self.PARTS, *changes]))


def test_cameras_join_images_only_where_they_are_known() -> None:
    images = torch.rand(B, K, 3, 8, 8)
    assert with_cameras(images, torch.zeros(B, 0, 3, 4)) is images
    joined = with_cameras(images, torch.zeros(B, K, 3, 4))
    assert isinstance(joined, Views) and joined.shape == images.shape
    first = joined[:, :1]
    assert isinstance(first, Views) and first.cameras.shape == (B, 1, 3, 4)
    np.testing.assert_array_equal(first.images, images[:, :1])


class TestReconstructor:
    @pytest.fixture
    def reconstruct(self, tmp_path: Path) -> Reconstructor:
        (tmp_path / "a.yaml").write_text("output_dir: out")
        changes = ["data.num_frames=3", "data.image_size=32", "generation.threshold=0.01"]
        changes += ["generation.resolution=8", "generation.upsampling_steps=0"]
        torch.manual_seed(0)
        config = build_config(tmp_path / "a.yaml", [*TestConfiguration.PARTS, *changes])
        generator = Generator(build_model(config), config.generation, 3)
        return Reconstructor(generator, config.data)

    def test_cameras_of_the_world_are_brought_into_the_frame(
        self, reconstruct: Reconstructor
    ) -> None:
        """A body elsewhere, seen by cameras that moved with it, is the same body."""
        images = np.random.default_rng(0).random((3, 3, 32, 32))
        near = np.tile(FRONT.numpy().astype(np.float64), (3, 1, 1))
        frame = NormalizationFrame(np.array([1.0, 2.0, 3.0]), 1.7)
        from_world = np.eye(4)
        from_world[:3] = np.column_stack([np.eye(3), -frame.loc]) / frame.scale
        here = reconstruct(images, cameras=near)
        there = reconstruct(images, cameras=near @ from_world, frame=frame)
        assert isinstance(here, MeshSequence) and isinstance(there, MeshSequence)
        np.testing.assert_allclose(frame.to_world(here.vertices), there.vertices, atol=1e-4)

    def test_cameras_are_asked_for(self, reconstruct: Reconstructor) -> None:
        images = np.zeros((3, 3, 32, 32))
        for cameras in (None, np.zeros((2, 3, 4))):
            with pytest.raises(ValueError, match=r"cameras must be \[3, 3, 4\], one matrix for"):
                reconstruct(images, cameras=cameras)
        with pytest.raises(ValueError, match="cameras hold NaN or infinity"):
            reconstruct(images, cameras=np.full((3, 3, 4), np.nan))
        with pytest.raises(ValueError, match="cameras: a camera does not see a plane"):
            reconstruct(images, cameras=np.zeros((3, 3, 4)))
