"""The velocity field that reads the images where a point is seen at its time."""

from collections.abc import Iterator
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from im2mesh.config.values import PositiveInt
from im2mesh.models.code import interpolate_frames
from im2mesh.models.flow.velocity_fields import LayerShifts, VelocityFieldConcat
from im2mesh.models.pixels.code import PixelCode
from im2mesh.models.pixels.reader import PixelReader


@dataclass(frozen=True)
class PixelConditions(LayerShifts):
    """What the evaluations need: the shifts of the codes, and what is read of the images."""

    features: Float[Tensor, "B K D height width"]
    cameras: Float[Tensor, "B K 3 4"]
    times: Float[Tensor, "B K"]


class VelocityFieldPixelAligned(VelocityFieldConcat):
    """The velocity network of the paper, to which is added what the images show of a point: before
    the first block, as the time is.

    Features and cameras between two observed frames are interpolated.

    Args:
        code_size, latent_size, hidden_size, num_blocks: See `VelocityFieldConcat`.
        pixel_size: Width of the features that are read at a place.
    """

    reads = PixelCode

    def __init__(
        self,
        code_size: int,
        latent_size: int,
        *,
        hidden_size: PositiveInt = 512,
        num_blocks: PositiveInt = 5,
        pixel_size: PositiveInt = 64,
    ) -> None:
        super().__init__(code_size, latent_size, hidden_size=hidden_size, num_blocks=num_blocks)
        self.pixels = PixelReader(code_size, hidden_size, 1, pixel_size)

    def condition(self, code: PixelCode) -> PixelConditions:
        features = self.pixels.features(code.maps)
        dtype, shifts = self.fc_p.weight.dtype, super().condition(code).shifts
        return PixelConditions(
            shifts, features.to(dtype), code.cameras.to(dtype), code.times.to(dtype)
        )

    def weights_of_evaluation(self) -> Iterator[nn.Parameter]:
        yield from super().weights_of_evaluation()
        for layer in (self.pixels.fc_place, self.pixels.fc_pixel):
            yield from layer.parameters()

    def _enter(
        self, t: Float[Tensor, "B"], points: Float[Tensor, "B N 3"], conditions: PixelConditions
    ) -> Float[Tensor, "B N H"]:
        now = t.to(conditions.times.dtype)
        features = interpolate_frames(conditions.features, conditions.times, now)
        cameras = interpolate_frames(conditions.cameras, conditions.times, now)
        (seen,) = self.pixels(points, features, cameras.to(points.dtype))
        return super()._enter(t, points, conditions) + seen
