"""The baselines that the paper compares with, behind the interface of all methods."""

from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from im2mesh.config.schema import DataConfig
from im2mesh.models.code import FramesCode, Generators, as_code, empty_code, empty_gaussian
from im2mesh.models.layers.neighbours import gather_rows, nearest_rows
from im2mesh.models.sequence_model import Inputs, Question, SequenceCodes, SequenceModel
from im2mesh.models.views import without_cameras


class _MotionCodeAlone(SequenceModel):
    """Base of the methods that describe a sequence by a single code.

    Args:
        encoder_temporal: (all frames, their times) -> [B, C].
    """

    def __init__(self, encoder_temporal: nn.Module) -> None:
        super().__init__()
        self.encoder_temporal = encoder_temporal

    @property
    def takes_any_frames(self) -> bool:
        return bool(self.encoder_temporal.sees_times)

    def encode(
        self, inputs: Inputs, times: Float[Tensor, "B T"], generators: Generators | None = None
    ) -> SequenceCodes:
        times = times.to(inputs.device, non_blocking=True)
        code = as_code(self.encoder_temporal(inputs, times))
        nothing, none = empty_code(len(times), times), empty_gaussian(len(times), times)
        return SequenceCodes(nothing, code, none, none)


class _FramesAlone(SequenceModel):
    """Base of the methods that keep the observed frames instead of encoding them."""

    def encode(
        self, inputs: Inputs, times: Float[Tensor, "B T"], generators: Generators | None = None
    ) -> SequenceCodes:
        times = times.to(inputs.device, non_blocking=True)
        nothing, none = empty_code(len(times), times), empty_gaussian(len(times), times)
        frames = FramesCode(nothing.c, nothing.z, without_cameras(inputs), times)
        return SequenceCodes(frames, frames, none, none)


class OccupancyNetwork4D(_MotionCodeAlone):
    """ONet 4D: occupancy of (p, t) in R^4, one code for the whole sequence (sec. 4 of the paper).

    A mesh must be extracted anew at every time, and these meshes do not correspond.

    Args:
        encoder_temporal: (all frames, their times) -> [B, C].
        decoder: (points (p, t) [B, N, 4], motion code) -> logits.
    """

    method = "onet4d"
    needs = ("encoder_temporal", "decoder")
    decoder_reads = "encoder_temporal"
    decoder_dimensions = 4

    def __init__(self, encoder_temporal: nn.Module, decoder: nn.Module) -> None:
        super().__init__(encoder_temporal)
        self.decoder = decoder

    @property
    def answers(self) -> frozenset[Question]:
        return frozenset({"occupancy"})

    def occupancy_logits(
        self, points_t: Float[Tensor, "B N 3"], t: Float[Tensor, "B"], codes: SequenceCodes
    ) -> Float[Tensor, "B N"]:
        time = t.to(points_t, non_blocking=True).view(-1, 1, 1).expand(*points_t.shape[:2], 1)
        return self.decoder(torch.cat([points_t, time], -1), codes.motion)


class OccupancyNetworkPerFrame(_FramesAlone):
    """An occupancy network run on every frame alone (Mescheder et al., CVPR 2019).

    The paper argues against this method, because nothing ties the frames together. At a time
    between two observed frames, the nearer one decides.

    Args:
        encoder_spatial: (one frame [B, 1, ...], its time) -> shape code [B, C].
        decoder: (points, shape code) -> logits.
    """

    method = "onet_per_frame"
    needs = ("encoder", "decoder")

    def __init__(self, encoder_spatial: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder_spatial = encoder_spatial
        self.decoder = decoder

    @property
    def answers(self) -> frozenset[Question]:
        return frozenset({"occupancy"})

    def occupancy_logits(
        self, points_t: Float[Tensor, "B N 3"], t: Float[Tensor, "B"], codes: SequenceCodes
    ) -> Float[Tensor, "B N"]:
        observed = cast(FramesCode, codes.shape)
        t = t.to(observed.times, non_blocking=True)
        nearest = (observed.times - t.unsqueeze(1)).abs().argmin(1)
        rows = torch.arange(len(t), device=nearest.device)
        frame = observed.frames[rows, nearest].unsqueeze(1)
        code = self.encoder_spatial(frame, observed.times[rows, nearest].unsqueeze(1))
        return self.decoder(points_t, as_code(code))


class PointSetGeneration4D(_MotionCodeAlone):
    """PSGN 4D: a network maps one code to trajectories of surface points (sec. 4 of the paper).

    Args:
        encoder_temporal: (all frames, their times) -> [B, C].
        trajectory_decoder: Code [B, C] -> trajectories [B, T, N, 3].
    """

    method = "psgn4d"
    needs = ("encoder_temporal", "trajectory_decoder")

    def __init__(self, encoder_temporal: nn.Module, trajectory_decoder: nn.Module) -> None:
        super().__init__(encoder_temporal)
        self.trajectory_decoder = trajectory_decoder

    @property
    def answers(self) -> frozenset[Question]:
        return frozenset({"point set"})

    def point_set(
        self, times: Float[Tensor, "S"], codes: SequenceCodes
    ) -> Float[Tensor, "B S N 3"]:
        """Surface points at any times; between the T training times, trajectories are straight."""
        knots = self.trajectory_decoder(codes.motion.c).to(times.dtype)  # [B, T, N, 3], never bf16
        times = times.to(knots.device, non_blocking=True)
        place = times * (knots.shape[1] - 1)
        before = place.floor().long().clamp(max=knots.shape[1] - 2)
        weight = (place - before).view(1, -1, 1, 1)
        return torch.lerp(knots[:, before], knots[:, before + 1], weight)


class NearestNeighbour(_FramesAlone):
    """Shape matching without a network: a point goes to the nearest point of the last cloud.

    The method has no weights. Between t = 0 and 1 points move on straight lines. Where the mesh is
    torn apart, the nearest point is not the corresponding one.
    """

    method = "nearest_neighbour"

    @classmethod
    def check_data(cls, data: DataConfig) -> None:
        if data.input != "pointcloud" or data.input_frames != "even":
            raise ValueError(
                "nearest_neighbour matches the first to the last cloud; set data.input to "
                "pointcloud and data.input_frames to even"
            )

    @property
    def answers(self) -> frozenset[Question]:
        return frozenset({"motion"})

    def trajectories(
        self, points_0: Float[Tensor, "B N 3"], times: Float[Tensor, "T"], codes: SequenceCodes
    ) -> Float[Tensor, "B T N 3"]:
        last = cast(FramesCode, codes.motion).frames[:, -1]
        ends = gather_rows(last, nearest_rows(points_0, last, 1)).squeeze(2)
        weights = times.to(points_0, non_blocking=True).view(1, -1, 1, 1)
        return torch.lerp(points_0.unsqueeze(1), ends.unsqueeze(1), weights)
