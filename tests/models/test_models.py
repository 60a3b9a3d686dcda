"""Encoders, decoders and velocity fields: shapes, order of points, codes, gradients everywhere."""

import math

import pytest
import torch

from im2mesh.models.code import Code, Gaussian, blend_codes, empty_code, empty_gaussian
from im2mesh.models.flow.flow import Flow
from im2mesh.models.flow.velocity_fields import VelocityFieldConcat
from im2mesh.models.layers.blocks import ConditionalBatchNorm, ResnetBlockFC, linear_of_joined
from im2mesh.models.layers.pointwise import POINTS_IN_CACHE, piece_by_piece
from im2mesh.models.occupancy_flow import OccupancyFlow
from im2mesh.models.wiring.parts import DECODERS, ENCODERS, POSTERIORS, VELOCITY_FIELDS

B, N, C, Z = 3, 10, 6, 4


def randomize(module: torch.nn.Module) -> torch.nn.Module:
    """Layers that start at 0 would hide what a test looks for."""
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return module


def code(batch: int = B, c: int = C, z: int = Z) -> Code:
    return Code(torch.randn(batch, c), torch.randn(batch, z))


def times(num_frames: int, batch: int = B) -> torch.Tensor:
    return torch.linspace(0, 1, num_frames).expand(batch, -1)


CLOUD_ENCODERS = [
    name
    for name, kind in ENCODERS.items()
    if kind.input_kind == "pointcloud" and kind.gives is Code
]


@pytest.mark.parametrize("num_frames", [1, 2, 5, 17])
@pytest.mark.parametrize("name", CLOUD_ENCODERS)
def test_encoders(name, num_frames):
    if name == "pointnet_2stream" and num_frames != 2:
        with pytest.raises(ValueError, match=r"reads 2 frames .* set data\.num_input_frames to 2"):
            ENCODERS[name](num_frames, C)
        return
    encoder = randomize(ENCODERS[name](num_frames, C, hidden_size=8))
    clouds = torch.randn(B, num_frames, N, 3)
    encoded = encoder(clouds, times(num_frames))
    assert encoded.shape == (B, C)
    shuffled = clouds[:, :, torch.randperm(N)]
    torch.testing.assert_close(encoder(shuffled, times(num_frames)), encoded)
    assert not torch.allclose(encoder(clouds + 0.1, times(num_frames)), encoded)
    encoded.sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in encoder.parameters())


def test_temporal_encoder_sees_which_point_is_which():
    encoder = randomize(ENCODERS["pointnet_resnet"](4, C, hidden_size=8))
    clouds = torch.randn(1, 4, N, 3)
    crossed = clouds.clone()
    crossed[:, 2] = clouds[:, 2].flip(1)
    assert not torch.allclose(encoder(clouds, times(4, 1)), encoder(crossed, times(4, 1)))


@pytest.mark.parametrize(
    ("name", "num_frames"), [("pointnet_2stream", 2), ("pointnet_space_time", 4)]
)
def test_encoders_that_need_no_correspondence(name, num_frames):
    """Each frame in an order of its own gives the same code."""
    encoder = randomize(ENCODERS[name](num_frames, C, hidden_size=8))
    clouds = torch.randn(B, num_frames, N, 3)
    shuffled = torch.stack([frame[:, torch.randperm(N)] for frame in clouds.unbind(1)], 1)
    code = encoder(clouds, times(num_frames))
    torch.testing.assert_close(encoder(shuffled, times(num_frames)), code)
    swapped = encoder(clouds.flip(1), times(num_frames))
    assert not torch.allclose(swapped, code)  # but the order of the frames matters


def test_an_encoder_of_any_number_of_frames_sees_their_times():
    encoder = randomize(ENCODERS["pointnet_space_time"](17, C, hidden_size=8))
    clouds = torch.randn(B, 3, N, 3)
    early = encoder(clouds, torch.tensor([[0.0, 0.1, 0.2]]).expand(B, -1))
    late = encoder(clouds, torch.tensor([[0.0, 0.5, 1.0]]).expand(B, -1))
    assert early.shape == (B, C) and not torch.allclose(early, late)


@pytest.mark.parametrize(("num_frames", "c_size"), [(1, 0), (5, 0), (5, C)])
def test_posterior(num_frames, c_size):
    posterior = randomize(POSTERIORS["pointnet"](num_frames, c_size, Z, hidden_size=8))
    clouds, c = torch.randn(B, num_frames, N, 3), torch.randn(B, c_size)
    gaussian = posterior(clouds, times(num_frames), c)
    assert gaussian.mean.shape == gaussian.log_std.shape == (B, Z)
    (gaussian.mean.sum() + gaussian.log_std.sum()).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in posterior.parameters())
    if c_size:
        other = posterior(clouds, times(num_frames), c + 1)
        assert not torch.allclose(other.mean, gaussian.mean)


def test_distributions_are_not_rounded_to_bf16():
    posterior = POSTERIORS["pointnet"](1, 0, Z, hidden_size=8)
    with torch.autocast("cpu", torch.bfloat16):
        gaussian = posterior(torch.randn(B, 1, N, 3), times(1), torch.zeros(B, 0))
    assert gaussian.mean.dtype == gaussian.log_std.dtype == torch.float32


def test_divergence_from_the_standard_normal():
    log_std = torch.tensor([[0.0, math.log(2.0)]])
    gaussian = Gaussian(torch.tensor([[1.0, 0.0]]), log_std)
    by_hand = (0.5 + (0.5 * 4 - 0.5 - math.log(2.0))) / 2
    assert gaussian.kl_to_standard_normal().item() == pytest.approx(by_hand)
    reference = torch.distributions.kl_divergence(
        torch.distributions.Normal(gaussian.mean, log_std.exp()),
        torch.distributions.Normal(0.0, 1.0),
    )
    torch.testing.assert_close(gaussian.kl_to_standard_normal(), reference.mean())
    assert empty_gaussian(3, torch.zeros(1)).kl_to_standard_normal() == 0


def test_samples_have_the_moments_of_their_distribution():
    gaussian = Gaussian(torch.full((20000, 1), 2.0), torch.full((20000, 1), math.log(0.5)))
    drawn = gaussian.sample([torch.Generator().manual_seed(0)] * 20000)
    assert drawn.mean().item() == pytest.approx(2.0, abs=0.02)
    assert drawn.std().item() == pytest.approx(0.5, abs=0.02)


def test_codes_blend_from_one_to_the_other():
    first, second = code(), code()
    assert torch.equal(blend_codes(first, second, 0.0).z, first.z)
    torch.testing.assert_close(blend_codes(first, second, 1.0).c, second.c)
    middle = blend_codes(first, second, 0.5)
    torch.testing.assert_close(middle.z, (first.z + second.z) / 2)

    class Richer(Code):
        """With features at points, say."""

    with pytest.raises(ValueError, match="a Richer cannot be blended"):
        blend_codes(first, Richer(second.c, second.z), 0.5)


def test_wrong_sequence_length_is_an_error():
    encoder = ENCODERS["pointnet_resnet"](17, C, hidden_size=8)
    with pytest.raises(ValueError, match=r"built for 17 frames, got 9; set data\.num_frames"):
        encoder(torch.randn(1, 9, N, 3), times(9, 1))


@pytest.mark.parametrize("sizes", [(C, Z), (C, 0), (0, Z), (0, 0)])
@pytest.mark.parametrize("name", [name for name, kind in DECODERS.items() if kind.reads is Code])
def test_decoders(name, sizes):
    if name == "cbatchnorm" and sum(sizes) == 0:
        with pytest.raises(ValueError, match="there is neither an encoder nor a posterior"):
            DECODERS[name](3, *sizes)
        return
    decoder = randomize(DECODERS[name](3, *sizes, hidden_size=8))
    conditions = code(B, *sizes)
    points = torch.randn(B, N, 3)
    logits = decoder(points, conditions)
    assert logits.shape == (B, N)
    logits.square().sum().backward()
    assert all(p.grad is not None for p in decoder.parameters())
    decoder.eval()
    logits = decoder(points, conditions)
    flipped = decoder(points.flip(1), conditions)
    torch.testing.assert_close(flipped, logits.flip(1))
    if sizes[0]:
        assert not torch.allclose(decoder(points, Code(conditions.c + 1, conditions.z)), logits)
    if sizes[1]:
        assert not torch.allclose(decoder(points, Code(conditions.c, conditions.z + 1)), logits)


@pytest.mark.parametrize("sizes", [(C, Z), (C, 0), (0, Z), (0, 0)])
@pytest.mark.parametrize(
    "name", [name for name, kind in VELOCITY_FIELDS.items() if kind.reads is Code]
)
def test_velocity_fields(name, sizes):
    field = randomize(VELOCITY_FIELDS[name](*sizes, hidden_size=8))
    conditions, points, t = code(B, *sizes), torch.randn(B, N, 3), torch.rand(B)

    def at(t: torch.Tensor, points: torch.Tensor, code: Code) -> torch.Tensor:
        return field(t, points, field.condition(code))

    velocity = at(t, points, conditions)
    assert velocity.shape == (B, N, 3)
    velocity.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in field.parameters())
    assert not torch.allclose(at(t + 0.5, points, conditions), velocity)
    one = at(t[1:2], points[1:2], Code(conditions.c[1:2], conditions.z[1:2]))
    torch.testing.assert_close(one, velocity[1:2])
    if sizes[0]:
        assert not torch.allclose(at(t, points, Code(conditions.c + 1, conditions.z)), velocity)


def test_residual_block_starts_as_its_shortcut():
    x = torch.randn(5, 8)
    same = ResnetBlockFC(8)
    torch.testing.assert_close(same(x), x + same.fc_1.bias)
    narrower = ResnetBlockFC(8, 4)
    torch.testing.assert_close(narrower(x), narrower.shortcut(x) + narrower.fc_1.bias)


def test_joined_parts_are_as_if_concatenated():
    layer = torch.nn.Linear(9, 4)
    own, pooled = torch.randn(2, 5, 6), torch.randn(2, 1, 3)
    whole = torch.cat([own, pooled.expand(-1, 5, -1)], -1)
    torch.testing.assert_close(linear_of_joined(layer, own, pooled), layer(whole))
    block = randomize(ResnetBlockFC(9, 4))
    torch.testing.assert_close(block(own, pooled), block(whole))


def test_conditional_batch_norm_in_evaluation_is_one_scale_and_shift():
    layer = randomize(ConditionalBatchNorm(C, 5))
    c, x = torch.randn(4, C), 3 + 2 * torch.randn(4, 50, 5)
    for _ in range(200):  # until the running statistics are those of x
        trained = layer(x, c)
    torch.testing.assert_close(layer.eval()(x, c), trained, atol=5e-2, rtol=0)
    plain = layer.norm(x.flatten(0, 1)).view_as(x)
    expected = layer.gamma(c)[:, None] * plain + layer.beta(c)[:, None]
    torch.testing.assert_close(layer(x, c), expected)


def test_without_an_encoder_the_latent_code_modulates_the_batch_norm():
    """As the conditioned code would, beside its place in the first layer."""
    latent = randomize(DECODERS["cbatchnorm"](3, 0, C, hidden_size=8)).eval()
    conditioned = DECODERS["cbatchnorm"](3, C, 0, hidden_size=8).eval()
    conditioned.load_state_dict(
        {key: value for key, value in latent.state_dict().items() if not key.startswith("fc_z.")}
    )
    for parameter in latent.fc_z.parameters():
        torch.nn.init.zeros_(parameter)
    points, vector = torch.randn(B, N, 3), torch.randn(B, C)
    nothing = vector.new_zeros(B, 0)
    torch.testing.assert_close(
        latent(points, Code(nothing, vector)), conditioned(points, Code(vector, nothing))
    )


def test_points_piece_by_piece_are_all_points():
    decoder = randomize(DECODERS["cbatchnorm"](3, C, 0, hidden_size=8)).eval()
    conditions, points = code(3, z=0), torch.randn(3, POINTS_IN_CACHE, 3)
    sizes = []

    def ask(piece: torch.Tensor) -> torch.Tensor:
        sizes.append(piece.shape[1])
        return decoder(piece, conditions)

    with torch.no_grad():
        torch.testing.assert_close(piece_by_piece(ask, points), decoder(points, conditions))
    assert len(sizes) > 3 and max(sizes) * 3 <= POINTS_IN_CACHE
    sizes.clear()
    piece_by_piece(ask, points)  # gradients need all layers' outputs anyway
    assert sizes == [POINTS_IN_CACHE]


def test_statistics_of_training_are_those_of_all_points():
    model = small_model().train()
    inputs, many = torch.randn(2, 4, 20, 3), torch.randn(2, 2 * POINTS_IN_CACHE, 3)
    with torch.no_grad():
        codes = model.encode(inputs, times(4, 2))
        expected = model.decoder(many, codes.shape)  # type: ignore[misc]
        torch.testing.assert_close(model.occupancy_logits_0(many, codes), expected)


def test_conditional_batch_norm_starts_as_batch_norm():
    layer = ConditionalBatchNorm(C, 5)
    x = 3 + 2 * torch.randn(4, 50, 5)
    normalized = layer(x, torch.randn(4, C))
    flat = normalized.flatten(0, 1)
    torch.testing.assert_close(flat.mean(0), torch.zeros(5), atol=1e-5, rtol=0)
    torch.testing.assert_close(flat.std(0, unbiased=False), torch.ones(5), atol=1e-3, rtol=0)


def test_a_code_lists_what_needs_gradients():
    conditions = code()
    assert [tensor.shape for tensor in conditions.tensors()] == [(B, C), (B, Z)]
    assert empty_code(2).c.shape == (2, 0)


def small_model(num_frames: int = 4) -> OccupancyFlow:
    field = VelocityFieldConcat(C, 0, hidden_size=8)
    return randomize(
        OccupancyFlow(
            ENCODERS["pointnet_resnet"](1, C, hidden_size=8),
            ENCODERS["pointnet_resnet"](num_frames, C, hidden_size=8),
            DECODERS["cbatchnorm"](3, C, 0, hidden_size=8),
            Flow(field),
        )
    ).eval()  # type: ignore[return-value]


def test_shape_code_sees_the_first_cloud_only_and_motion_code_all():
    model = small_model()
    clouds = torch.randn(2, 4, N, 3)
    changed = clouds.clone()
    changed[:, 1:] += 1
    before, after = (model.encode(seen, times(4, 2)) for seen in (clouds, changed))
    assert torch.equal(before.shape.c, after.shape.c)
    assert not torch.allclose(before.motion.c, after.motion.c)


def test_occupancy_at_a_time_is_that_of_the_particle_at_0():
    model = small_model()
    codes = model.encode(torch.randn(2, 4, N, 3), times(4, 2))
    points_0 = torch.rand(2, 5, 3) - 0.5
    with torch.no_grad():
        moved = model.trajectories(points_0, torch.tensor([0.0, 0.7]), codes)[:, 1]
        logits = model.occupancy_logits(moved, torch.tensor([0.7, 0.7]), codes)
        torch.testing.assert_close(
            logits, model.occupancy_logits_0(points_0, codes), atol=0.02, rtol=0
        )
        assert (moved - points_0).abs().max() > 0.1  # the check above is not about standing still
