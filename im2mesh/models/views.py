"""Observed images together with their cameras, in place of images alone."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Views:
    """Images, and where each of them shows a point of space. Sliced like the images.

    Attributes:
        images: RGB in [0, 1].
        cameras: Matrices P from positions, in the frame of the first mesh or turned (`in_axes`), to
            the image: with (u, v, w) = P (p, 1), a point p is seen at (u / w, v / w), where
            (-1, -1) is the upper left corner of the image and (1, 1) the lower right one.
        up: Which way is up, as a unit vector, in the axes that the cameras are for.
    """

    images: Float[Tensor, "B K 3 H W"]
    cameras: Float[Tensor, "B K 3 4"]
    up: Float[Tensor, "B 3"]

    @classmethod
    def of_windows(
        cls, images: Float[Tensor, "B K 3 H W"], cameras: Float[Tensor, "B K 3 4"]
    ) -> "Views":
        """Images of windows as they are stored, in whose frame y points up."""
        up = torch.zeros_like(cameras[:, 0, 0, :3])  # made where the cameras are: a GPU waits for
        up[:, 1] = 1  # nothing
        return cls(images, cameras, up)

    @property
    def shape(self) -> torch.Size:
        return self.images.shape

    @property
    def device(self) -> torch.device:
        return self.images.device

    def __getitem__(self, which: tuple[slice, ...]) -> "Views":
        """Some sequences, and some of their frames."""
        return Views(self.images[which], self.cameras[which], self.up[which[:1]])

    def axes(self) -> Float[Tensor, "B 3 3"]:
        """Axes of the first camera; see `axes_of`."""
        return axes_of(self.cameras[:, 0])

    def in_axes(self, axes: Float[Tensor, "B 3 3"]) -> "Views":
        """The same images, with cameras for positions in these axes."""
        turned = into_axes(self.cameras[..., :3].flatten(1, 2), axes)
        cameras = torch.cat([turned.unflatten(1, (-1, 3)), self.cameras[..., 3:]], -1)
        return Views(self.images, cameras, into_axes(self.up.unsqueeze(1), axes).squeeze(1))

    def mirrored(self) -> "Views":
        """The images with left and right exchanged, as the cameras would see a body that is
        mirrored about the upright plane in which the first one looks."""
        other = self.in_axes(reflection(self.axes()[:, 0]))
        to_right, rest = other.cameras.split((1, 2), 2)
        return Views(self.images.flip(-1), torch.cat([-to_right, rest], 2), other.up)


def axes_of(cameras: Float[Tensor, "B 3 4"]) -> Float[Tensor, "B 3 3"]:
    """Axes of cameras, as rows: to the right and down in the middle of the image, and the direction
    in which the camera looks."""
    to_right, to_bottom = cameras[:, :2, :3].unbind(1)
    right = F.normalize(to_right, dim=-1)
    along = (to_bottom * right).sum(-1, keepdim=True)
    down = F.normalize(to_bottom - along * right, dim=-1)
    return torch.stack([right, down, torch.linalg.cross(right, down, dim=-1)], 1)


def reflection(normals: Float[Tensor, "B 3"]) -> Float[Tensor, "B 3 3"]:
    """Matrices that mirror positions about the planes through 0 with these unit normals."""
    outer = normals.unsqueeze(2) * normals.unsqueeze(1)
    return torch.eye(3, dtype=normals.dtype, device=normals.device) - 2 * outer


def into_axes(
    positions: Float[Tensor, "B *N 3"], axes: Float[Tensor, "B 3 3"] | None
) -> Float[Tensor, "B *N 3"]:
    """Positions in axes given as rows; as they are, if none are given."""
    if axes is None:
        return positions
    # no product of matrices, which autocast and tf32 would round
    spread = axes.view(len(axes), *[1] * (positions.dim() - 2), 3, 3).to(positions.dtype)
    return (positions.unsqueeze(-2) * spread).sum(-1)


def out_of_axes(
    positions: Float[Tensor, "B *N 3"], axes: Float[Tensor, "B 3 3"] | None
) -> Float[Tensor, "B *N 3"]:
    """The inverse of `into_axes`."""
    return into_axes(positions, None if axes is None else axes.transpose(1, 2))


def without_cameras(observed: Tensor | Views) -> Float[Tensor, "B K *frame"]:
    """The observed frames alone."""
    return observed.images if isinstance(observed, Views) else observed


def with_cameras(
    observed: Float[Tensor, "B K *frame"], cameras: Float[Tensor, "_ _ 3 4"]
) -> Tensor | Views:
    """What a model observes: images with their cameras, where these are known, or the frames."""
    return Views.of_windows(observed, cameras) if cameras.shape[1] else observed
