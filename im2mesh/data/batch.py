"""Samples and batches, on which a model is trained: tensors with names and shapes."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.data import Dataset

from im2mesh.data.layout import Window

NO_CAMERAS = np.zeros((0, 3, 4), np.float32)
TIMES = ("t", "times", "input_times")
"""Tensors of a batch that stay on the CPU."""


@dataclass(frozen=True)
class Sample:
    """One window to train on: the arrays of a `Batch`, without the batch axis."""

    window: Window
    inputs: Float[np.ndarray, "K *frame"]
    input_times: Float[np.ndarray, "K"]
    cameras: Float[np.ndarray, "_ 3 4"]
    points_0: Float[np.ndarray, "P 3"]
    occupancy_0: Float[np.ndarray, "P"]
    points_t: Float[np.ndarray, "P 3"]
    occupancy_t: Float[np.ndarray, "P"]
    t: float
    pointcloud: Float[np.ndarray, "T M 3"]


class SampleDataset(Dataset[Sample]):
    """The samples that a training reads, each found by its number."""

    def __len__(self) -> int:
        """Number of samples in one pass over the windows."""
        raise NotImplementedError


@dataclass(frozen=True)
class Batch:
    """Windows of equal length. Positions are in the frame of each window's first mesh.

    Times stay on the CPU: the host plans by them what a GPU has to do.

    Attributes:
        windows: Window that each item of the batch comes from.
        inputs: Observed frames: clouds [B, K, N, 3], RGB images in [0, 1] [B, K, 3, H, W], or
            nothing [B, 0, 0, 3].
        input_times: Times of the observed frames, in [0, 1], increasing from 0.
        points_0: Points at t = 0. Their `occupancy_0` is 1 inside the body and 0 outside.
        points_t: Points at their item's time `t`, with `occupancy_t`.
        t: One time per item, in [0, 1].
        pointcloud: Surface points followed over all frames: row i is the same particle.
        times: Times of all frames, in [0, 1].
        cameras: Cameras of the observed images [B, K, 3, 4], as matrices from positions to the
            image in [-1, 1]^2 (docs/data.md); none [B, 0, 3, 4] unless data.view_cameras asks for
            them.
    """

    windows: tuple[Window, ...]
    inputs: Float[Tensor, "B K *frame"]
    input_times: Float[Tensor, "B K"]
    points_0: Float[Tensor, "B P 3"]
    occupancy_0: Float[Tensor, "B P"]
    points_t: Float[Tensor, "B P 3"]
    occupancy_t: Float[Tensor, "B P"]
    t: Float[Tensor, "B"]
    pointcloud: Float[Tensor, "B T M 3"]
    times: Float[Tensor, "T"]
    cameras: Float[Tensor, "_ _ 3 4"] = field(default_factory=lambda: torch.zeros(0, 0, 3, 4))

    def to(self, device: torch.device) -> "Batch":
        waits = device.type == "cpu"  # whoever reads there must find all values
        moved = {
            name: tensor.to(device, non_blocking=not waits)
            for name, tensor in self.tensors().items()
            if name not in TIMES
        }
        return replace(self, **moved)

    def pin_memory(self) -> "Batch":
        """Called by the data loader, so that copies to a GPU need not wait."""
        pinned = {name: tensor.pin_memory() for name, tensor in self.tensors().items()}
        return replace(self, **pinned)

    def tensors(self) -> dict[str, Tensor]:
        """All tensors by name."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, Tensor)}


def frame_times(num_frames: int) -> Float[Tensor, "T"]:
    """Times of evenly spaced frames: 0 for the first, 1 for the last."""
    return torch.arange(num_frames) / (num_frames - 1)


def collate(samples: Sequence[Sample]) -> Batch:
    """Stack samples whose windows are equally long."""

    def stack(name: str) -> Tensor:
        return torch.from_numpy(np.stack([getattr(sample, name) for sample in samples]))

    return Batch(
        windows=tuple(sample.window for sample in samples),
        inputs=stack("inputs"),
        input_times=stack("input_times"),
        cameras=stack("cameras"),
        points_0=stack("points_0"),
        occupancy_0=stack("occupancy_0"),
        points_t=stack("points_t"),
        occupancy_t=stack("occupancy_t"),
        t=torch.tensor([sample.t for sample in samples], dtype=torch.float32),
        pointcloud=stack("pointcloud"),
        times=frame_times(samples[0].window.num_frames),
    )


@dataclass(frozen=True)
class Observation:
    """The observed frames of one window.

    Attributes:
        inputs: Clouds [K, N, 3] in the window's first-frame coordinates, RGB images in [0, 1]
            [K, 3, H, W], or nothing [0, 0, 3].
        times: Times of the observed frames, in [0, 1], increasing from 0.
        cameras: Cameras of the images, as in `Batch`.
    """

    inputs: Float[np.ndarray, "K *frame"]
    times: Float[np.ndarray, "K"]
    cameras: Float[np.ndarray, "_ 3 4"] = field(default_factory=NO_CAMERAS.copy)
