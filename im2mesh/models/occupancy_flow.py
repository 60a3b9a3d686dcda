"""The Occupancy Flow model: encoders, an occupancy network at t = 0, and a flow."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from im2mesh.models.code import Code, empty_code
from im2mesh.models.flow import Flow


@dataclass(frozen=True)
class SequenceCodes:
    """What is known of a batch of sequences: `shape` feeds the decoder, `motion` the flow."""

    shape: Code
    motion: Code


class OccupancyFlow(nn.Module):
    """Shape as an occupancy network at t = 0, motion as a velocity field (sec. 3 of the paper).

    Positions are in the frame of the sequence's first mesh, times in [0, 1].

    Args:
        encoder_spatial: First cloud [B, 1, N, 3] -> [B, C]; None for no shape code.
        encoder_temporal: All clouds [B, T, N, 3] -> [B, C]; None for no motion code.
        decoder: (points at t = 0, shape code) -> logits.
        flow: Carries points with the motion code.
    """

    def __init__(
        self,
        encoder_spatial: nn.Module | None,
        encoder_temporal: nn.Module | None,
        decoder: nn.Module,
        flow: Flow,
    ) -> None:
        super().__init__()
        self.encoder_spatial = encoder_spatial
        self.encoder_temporal = encoder_temporal
        self.decoder = decoder
        self.flow = flow

    def encode(self, clouds: Float[Tensor, "B T N 3"]) -> SequenceCodes:
        """The codes of observed sequences. Point n is the same particle in all frames."""
        return SequenceCodes(
            shape=_encode(self.encoder_spatial, clouds[:, :1]),
            motion=_encode(self.encoder_temporal, clouds),
        )

    def occupancy_logits_0(
        self, points_0: Float[Tensor, "B N 3"], codes: SequenceCodes
    ) -> Float[Tensor, "B N"]:
        """Occupancy at t = 0."""
        return self.decoder(points_0, codes.shape)

    def occupancy_logits(
        self, points_t: Float[Tensor, "B N 3"], t: Float[Tensor, "B"], codes: SequenceCodes
    ) -> Float[Tensor, "B N"]:
        """Occupancy at one time per sequence: where was the particle at t = 0? (eq. 4)"""
        path = self.flow.integrate_backward(points_t, t, codes.motion)
        return self.occupancy_logits_0(path[:, -1], codes)

    def trajectories(
        self, points_0: Float[Tensor, "B N 3"], times: Float[Tensor, "T"], codes: SequenceCodes
    ) -> Float[Tensor, "B T N 3"]:
        """Where the particles at points_0 are at each time."""
        return self.flow.integrate_forward(points_0, times, codes.motion)

    def trajectories_from_end(
        self, points_1: Float[Tensor, "B N 3"], times: Float[Tensor, "T"], codes: SequenceCodes
    ) -> Float[Tensor, "B T N 3"]:
        """Where the particles at points_1 at t = 1 were at each time; times end at 1."""
        ones = points_1.new_ones(len(points_1))
        path = self.flow.integrate_backward(points_1, ones, codes.motion, times.flip(0))
        return path.flip(1)


def _encode(encoder: nn.Module | None, clouds: Float[Tensor, "B T N 3"]) -> Code:
    nothing = empty_code(len(clouds), like=clouds)
    return nothing if encoder is None else Code(c=encoder(clouds), z=nothing.z)
