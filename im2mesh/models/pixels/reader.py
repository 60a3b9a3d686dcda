"""What an image shows of a point, for a network that does not look at images."""

from jaxtyping import Float
from torch import Tensor, nn

from im2mesh.models.layers.blocks import FullPrecisionLinear, starting_at_zero
from im2mesh.models.pixels.projection import project, read_maps


class PixelReader(nn.Module):
    """Vectors that are added before the residual blocks of a network.

    The first is linear in the place and the depth at which the image shows the point, and all are
    linear in the features of the image there (PIFu; Saito et al., ICCV 2019). At first they are 0,
    so that a network that never looked at images can learn to, and forgets nothing by it.

    Args:
        code_size: Width C of the feature maps.
        hidden_size: Width H of the network.
        num_vectors: Number of blocks before which a vector is added.
        pixel_size: Width D of the features that are read at a place.
    """

    def __init__(self, code_size: int, hidden_size: int, num_vectors: int, pixel_size: int) -> None:
        super().__init__()
        self.to_features = nn.Conv2d(code_size, pixel_size, 1)
        self.fc_place = starting_at_zero(FullPrecisionLinear(3, hidden_size))
        self.fc_pixel = nn.ModuleList(
            starting_at_zero(nn.Linear(pixel_size, hidden_size)) for _ in range(num_vectors)
        )

    def features(
        self, maps: Float[Tensor, "B K C height width"]
    ) -> Float[Tensor, "B K D height width"]:
        """What is read. It is linear, as sampling is, so it may come first, once for all points
        that are asked for together."""
        return self.to_features(maps.flatten(0, 1)).unflatten(0, maps.shape[:2])

    def forward(
        self,
        points: Float[Tensor, "B N 3"],
        features: Float[Tensor, "B D height width"],
        cameras: Float[Tensor, "B 3 4"],
    ) -> list[Float[Tensor, "B N H"]]:
        """One vector per block; points are in the axes that the cameras are for."""
        seen = project(points, cameras)
        pixels = read_maps(features, seen[..., :2])
        first, *others = (fc(pixels) for fc in self.fc_pixel)
        return [self.fc_place(seen) + first, *others]
