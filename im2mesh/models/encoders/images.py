"""Encoders of images: a single image, or a short video -> one code."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from im2mesh.errors import ConfigError
from im2mesh.files.torch_files import TorchFileError, read_torch_file
from im2mesh.models.encoders.encoder import Encoder
from im2mesh.models.views import Views, without_cameras

IMAGENET_MEAN = (0.485, 0.456, 0.406)  # of R, G, B in [0, 1], as all published weights expect
IMAGENET_STD = (0.229, 0.224, 0.225)


class Resnet18(Encoder):
    """ResNet-18 (He et al., CVPR 2016) of one image, then a linear layer.

    Args:
        num_frames: Must be 1.
        code_size: Width C of the code.
        weights: Path of the weights that `load_pretrained` reads; None for a random start.

    Raises:
        ValueError: If num_frames is not 1.
    """

    input_kind = "images"

    mean: Tensor
    std: Tensor

    def __init__(self, num_frames: int, code_size: int, *, weights: str | None = None) -> None:
        super().__init__()
        _check_one_frame(num_frames)
        self.features = _Features()
        self.fc = nn.Linear(512, code_size)
        self.register_buffer("mean", _channels(IMAGENET_MEAN), persistent=False)
        self.register_buffer("std", _channels(IMAGENET_STD), persistent=False)
        self.weights = weights

    def load_pretrained(self) -> None:
        """Start from the weights of a ResNet-18 trained on ImageNet.

        The file holds a state dict with the names of torchvision; its last layer is left out. Only
        a fresh training needs the file, since a checkpoint has all weights.

        Raises:
            ConfigError: If the file does not hold such weights.
        """
        if self.weights is not None:
            _load_features(self.features, Path(self.weights))

    def forward(
        self, images: Float[Tensor, "B T 3 H W"] | Views, times: Float[Tensor, "B T"]
    ) -> Float[Tensor, "B C"]:
        """Encode one image per sequence, RGB in [0, 1]; times are ignored.

        Raises:
            ValueError: If there is more than one frame, or the shape is not one of images.
        """
        images = without_cameras(images)
        _check_shape(images)
        _check_one_frame(images.shape[1])
        return self.fc(self.features((images[:, 0] - self.mean) / self.std))


class Conv3D(Encoder):
    """Six convolutions over time and space, then the mean over both, and a linear layer.

    This is the temporal encoder of the paper's image experiments. It takes any number of frames,
    so `num_frames` is ignored, and does not normalise the images, which are in [0, 1].

    Args:
        num_frames: Number of frames T.
        code_size: Width C of the code.
    """

    input_kind = "images"

    WIDTHS: ClassVar[tuple[int, ...]] = (3, 32, 64, 128, 256, 512, 512)
    # six halvings reduce 64 pixels to 1; below 64, bf16 gradients are NaN (torch 2.13, CPU)
    min_image_size: ClassVar[int] = 64
    TIME_STRIDES: ClassVar[tuple[int, ...]] = (1, 2, 1, 2, 2, 2)  # in space all are 2

    def __init__(self, num_frames: int, code_size: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv3d(before, after, 3, stride=(stride, 2, 2), padding=1)
            for before, after, stride in zip(
                self.WIDTHS[:-1], self.WIDTHS[1:], self.TIME_STRIDES, strict=True
            )
        )
        self.fc = nn.Linear(self.WIDTHS[-1], code_size)

    def forward(
        self, images: Float[Tensor, "B T 3 H W"] | Views, times: Float[Tensor, "B T"]
    ) -> Float[Tensor, "B C"]:
        """Encode the images of all frames, RGB in [0, 1]; times are ignored.

        Raises:
            ValueError: If the shape is not one of images, or they are smaller than 64 x 64.
        """
        images = without_cameras(images)
        _check_shape(images)
        if min(images.shape[3:]) < self.min_image_size:
            raise ValueError(
                f"conv_3D halves its images six times, so they need {self.min_image_size} pixels "
                f"a side, got {list(images.shape[3:])}; raise data.image_size"
            )
        x = self.convs[0](images.transpose(1, 2))  # [B, 3, T, H, W] -> [B, 32, T, H/2, W/2]
        for conv in self.convs[1:]:
            x = conv(F.relu(x))
        return self.fc(F.relu(x.mean((2, 3, 4))))


class _Features(nn.Module):
    """ResNet-18 without its last layer; its weights are named as in torchvision."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = _stage(64, 64, stride=1)
        self.layer2 = _stage(64, 128, stride=2)
        self.layer3 = _stage(128, 256, stride=2)
        self.layer4 = _stage(256, 512, stride=2)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):  # He et al., ICCV 2015
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 512"]:
        x = F.relu(self.bn1(self.conv1(images)))
        x = F.max_pool2d(x, 3, stride=2, padding=1)
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
        return x.mean((2, 3))


def _stage(size_in: int, size_out: int, stride: int) -> nn.Sequential:
    return nn.Sequential(_Block(size_in, size_out, stride), _Block(size_out, size_out, 1))


class _Block(nn.Module):
    """relu(shortcut(x) + bn2(conv2(relu(bn1(conv1(x))))))."""

    def __init__(self, size_in: int, size_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(size_in, size_out, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(size_out)
        self.conv2 = nn.Conv2d(size_out, size_out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(size_out)
        self.downsample = nn.Sequential()  # the identity
        if stride != 1 or size_in != size_out:
            self.downsample = nn.Sequential(
                nn.Conv2d(size_in, size_out, 1, stride=stride, bias=False), nn.BatchNorm2d(size_out)
            )

    def forward(self, x: Float[Tensor, "B D H W"]) -> Float[Tensor, "B E H2 W2"]:
        hidden = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(self.downsample(x) + hidden)


def _load_features(features: nn.Module, path: Path) -> None:
    """Load the weights of a file, which must hold all of them and no others but those of `fc`."""
    given = {key: value for key, value in _read_state(path).items() if key.split(".")[0] != "fc"}
    wanted = features.state_dict()
    # batch norm counts its updates; nothing reads these counters, and old files lack them
    counters = {key for key in wanted if key.endswith("num_batches_tracked")}
    mistakes = [f"{key} is missing" for key in wanted if key not in given and key not in counters]
    mistakes += [f"{key} is unknown" for key in given if key not in wanted]
    mistakes += [
        f"{key} has shape {list(given[key].shape)}, expected {list(value.shape)}"
        for key, value in wanted.items()
        if key in given and given[key].shape != value.shape
    ]
    if mistakes:
        raise ConfigError(
            f"{path} does not hold the weights of a ResNet-18 with the names of torchvision: "
            f"{'; '.join(mistakes)}"
        )
    features.load_state_dict({**{key: wanted[key] for key in counters}, **given})


def _read_state(path: Path) -> Mapping[str, Tensor]:
    if not path.is_file():
        raise ConfigError(
            f"no file {path} with the weights of resnet18; copy it there, or set weights to null "
            "to start at random"
        )
    try:
        state = read_torch_file(path, "name one that torch.save(model.state_dict(), path) wrote")
    except TorchFileError as error:
        raise ConfigError(str(error)) from error
    if not (isinstance(state, Mapping) and all(torch.is_tensor(v) for v in state.values())):
        raise ConfigError(
            f"{path} must hold one tensor per name, as torch.save(model.state_dict(), path) writes"
        )
    return state


def _channels(values: tuple[float, ...]) -> Float[Tensor, "3 1 1"]:
    return torch.tensor(values)[:, None, None]


def _check_one_frame(num_frames: int) -> None:
    if num_frames != 1:
        raise ValueError(
            f"resnet18 sees one image, got {num_frames} frames; use it as model.encoder, and "
            "conv_3D as model.encoder_temporal"
        )


def _check_shape(images: Tensor) -> None:
    if images.ndim != 5 or images.shape[2] != 3:
        raise ValueError(f"images must have shape [B, T, 3, H, W], got {list(images.shape)}")
