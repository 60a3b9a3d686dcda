"""Where cameras see points, and what feature maps say there."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def project(
    points: Float[Tensor, "B N 3"], cameras: Float[Tensor, "B 3 4"]
) -> Float[Tensor, "B N 3"]:
    """The place of points in an image, and their depth.

    The depth is measured from the origin, the middle of the body at t = 0, along the direction in
    which the camera sees the point, so it is as large as positions are, for near cameras and for
    those so far that their projection is parallel.

    Args:
        points: Positions, in the axes that the cameras are for.
        cameras: One matrix per sequence; see `Views.cameras`.

    Returns:
        x to the right and y down, in [-1, 1] where the image shows the point, and the depth.
    """
    # no product of matrices, which autocast would round: half a pixel of an image
    turned = (points.unsqueeze(2) * cameras[:, None, :, :3]).sum(-1)
    u, v, w = (turned + cameras[:, None, :, 3]).unbind(-1)
    x, y = u / w, v / w
    to_right, to_bottom, to_back = cameras[:, None, :, :3].unbind(2)  # each [B, 1, 3]
    # x and y stay the same along the line of sight, so it is normal to both of their gradients
    grad_x = to_right - x.unsqueeze(-1) * to_back
    grad_y = to_bottom - y.unsqueeze(-1) * to_back
    sight = F.normalize(torch.linalg.cross(grad_x, grad_y, dim=-1), dim=-1)
    return torch.stack([x, y, (points * sight).sum(-1)], -1)


def lines_of_sight(
    cameras: Float[Tensor, "*batch 3 4"], height: int, width: int
) -> Float[Tensor, "*batch 3 height width"]:
    """Where the line of sight of each pixel is nearest to the origin, the middle of the body.

    Args:
        cameras: See `Views.cameras`.
        height, width: Size of the images, in pixels.
    """
    spread = cameras.unsqueeze(-3).unsqueeze(-3)  # [*batch, 1, 1, 3, 4]
    y, x = (_middles(size, cameras) for size in (height, width))
    to_right, to_bottom, to_back = spread.unbind(-2)
    # a point p is seen at (x, y) where both planes hold: plane_x (p, 1) = plane_y (p, 1) = 0
    plane_x = to_right - x[None, :, None] * to_back
    plane_y = to_bottom - y[:, None, None] * to_back
    along_x, along_y = plane_x[..., :3], plane_y[..., :3]
    xx, xy, yy = (
        (a * b).sum(-1, keepdim=True)
        for a, b in ((along_x, along_x), (along_x, along_y), (along_y, along_y))
    )
    off_x, off_y = plane_x[..., 3:], plane_y[..., 3:]
    nearest = (xy * off_y - yy * off_x) * along_x + (xy * off_x - xx * off_y) * along_y
    return (nearest / (xx * yy - xy * xy)).movedim(-1, -3)


def _middles(count: int, like: Tensor) -> Float[Tensor, "count"]:
    """Where the middles of so many pixels are, from -1 to 1."""
    numbers = torch.arange(count, dtype=like.dtype, device=like.device)
    return (2 * numbers + 1) / count - 1


def read_maps(
    maps: Float[Tensor, "B D H W"], places: Float[Tensor, "B N 2"]
) -> Float[Tensor, "B N D"]:
    """Interpolate feature maps bilinearly at places (x, y); beyond the border, it is repeated."""
    # in the precision of the places: rounded to bf16, they would be off by half a pixel
    read = F.grid_sample(
        maps.to(places.dtype), places.unsqueeze(2), padding_mode="border", align_corners=False
    )
    return read.squeeze(-1).transpose(1, 2)
