"""The Occupancy Flow model: encoders, an occupancy network at t = 0, and a flow."""

from collections.abc import Mapping
from dataclasses import replace
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from im2mesh.config.schema import ModelConfig
from im2mesh.models.code import (
    Code,
    FramesCode,
    Gaussian,
    Generators,
    as_code,
    empty_code,
    empty_gaussian,
)
from im2mesh.models.encoders.encoder import Encoder
from im2mesh.models.flow.carrier import Carrier
from im2mesh.models.layers.pointwise import piece_by_piece
from im2mesh.models.pixels.code import PixelCode
from im2mesh.models.sequence_model import (
    Inputs,
    Question,
    SequenceCodes,
    SequenceModel,
    refuse_unordered_times,
)
from im2mesh.models.views import Views, into_axes, out_of_axes, without_cameras


class OccupancyFlow(SequenceModel):
    """Shape as an occupancy network at t = 0, motion as a velocity field (sec. 3 of the paper).

    With posteriors it is a variational autoencoder of shape and motion (sec. 3.4): the two latent
    codes are inferred from the observation, or drawn from the prior N(0, I). A model without some
    code has None in place of the network that would give it.

    Where the cameras of images are known, all networks see positions in the axes of the first one,
    so that a body is the same to them from whichever side it is looked at; `image_pixels` knows
    which way is up, too.

    Args:
        encoder_spatial: (first frame, its time) -> shape code, a vector [B, C] or a whole `Code`;
            all frames and their times, if the encoder says that it sees them.
        encoder_temporal: (all frames, their times) -> motion code, in the same two forms.
        posterior: (first frame, its time, c) -> distribution of the latent shape code.
        posterior_temporal: (all frames, their times, c) -> distribution of the latent motion code.
        decoder: (points at t = 0, shape code) -> logits; None where the surface at t = 0 is given.
        evidence_frames: Number of observed clouds, evenly spread, that show the shape (all if fewer
            are observed). Those after the first are carried to t = 0 along the inferred motion.
        flow: Carrier that moves points as the motion code says: an integrated velocity field, or a
            deformation.
    """

    method = "occupancy_flow"
    may_have = ("encoder", "encoder_temporal", "posterior", "posterior_temporal", "decoder")
    carries_points = True
    sees_from_cameras = True

    def __init__(
        self,
        encoder_spatial: nn.Module | None,
        encoder_temporal: nn.Module | None,
        decoder: nn.Module | None,
        flow: Carrier,
        *,
        posterior: nn.Module | None = None,
        posterior_temporal: nn.Module | None = None,
        evidence_frames: int = 1,
    ) -> None:
        super().__init__()
        self.encoder_spatial = encoder_spatial
        self.encoder_temporal = encoder_temporal
        self.posterior = posterior
        self.posterior_temporal = posterior_temporal
        self.decoder = decoder
        self.flow = flow
        self.evidence_frames = evidence_frames

    @classmethod
    def from_parts(cls, parts: Mapping[str, nn.Module], config: ModelConfig) -> SequenceModel:
        return cls(
            parts.get("encoder"),
            parts.get("encoder_temporal"),
            parts.get("decoder"),
            cast(Carrier, parts["carrier"]),
            posterior=parts.get("posterior"),
            posterior_temporal=parts.get("posterior_temporal"),
            evidence_frames=config.evidence_frames,
        )

    @property
    def answers(self) -> frozenset[Question]:
        if self.decoder is None:
            return frozenset({"motion", "motion back"})
        return frozenset({"occupancy", "motion", "motion back"})

    @property
    def learns_motion(self) -> bool:
        parts = (self.encoder_temporal, self.posterior_temporal, self.flow)
        return any(part is not None and next(part.parameters(), None) is not None for part in parts)

    @property
    def sees_pixels(self) -> bool:
        return getattr(self.decoder, "reads", None) is PixelCode

    @property
    def takes_any_frames(self) -> bool:
        temporal = [p for p in (self.encoder_temporal, self.posterior_temporal) if p is not None]
        if not temporal:
            return self.flow.sees_times
        return all(part.sees_times for part in temporal)

    @property
    def has_posterior(self) -> bool:
        return self.posterior is not None or self.posterior_temporal is not None

    @property
    def has_prior(self) -> bool:
        has_encoder = self.encoder_spatial is not None or self.encoder_temporal is not None
        return self.has_posterior and not has_encoder

    def encode(
        self, inputs: Inputs, times: Float[Tensor, "B T"], generators: Generators | None = None
    ) -> SequenceCodes:
        refuse_unordered_times(times)
        inputs, axes = _seen_from_camera(inputs)
        planned, times = times, times.to(inputs.device, non_blocking=True)
        motion_code = self._encode_motion(inputs, times)
        motion = _infer(self.posterior_temporal, inputs, times, motion_code)
        motion_code = replace(motion_code, z=_draw(motion, generators))
        evidence = self._evidence(inputs, planned, motion_code)
        shape_code, shape = self._encode_start(evidence, times[:, : evidence.shape[1]], generators)
        return SequenceCodes(shape_code, motion_code, shape, motion, axes)

    @property
    def _shape_sees_all(self) -> bool:
        encoder = self.encoder_spatial
        return isinstance(encoder, Encoder) and encoder.sees_all_frames

    @property
    def encodes_shape_alone(self) -> bool:
        return self.decoder is not None

    def encode_shape(
        self, inputs: Inputs, times: Float[Tensor, "B T"], generators: Generators | None = None
    ) -> SequenceCodes:
        inputs, axes = _seen_from_camera(inputs)
        times = times.to(inputs.device, non_blocking=True)
        seen = inputs.shape[1] if self._shape_sees_all else 1
        shape_code, shape = self._encode_start(inputs[:, :seen], times[:, :seen], generators)
        unknown = empty_code(len(times), times)
        return SequenceCodes(shape_code, unknown, shape, empty_gaussian(len(times), times), axes)

    def _encode_start(
        self, evidence: Inputs, time: Float[Tensor, "B K"], generators: Generators | None
    ) -> tuple[Code, Gaussian]:
        """The shape code, and the distribution that its latent part is drawn from."""
        code = _encode(self.encoder_spatial, evidence, time)
        shape = _infer(self.posterior, evidence, time, code)
        return replace(code, z=_draw(shape, generators)), shape

    def _evidence(
        self, inputs: Inputs, times: Float[Tensor, "B T"], motion: Code
    ) -> Float[Tensor, "B K *frame"] | Views:
        """What the encoder of the shape sees: all frames; or the first, joined with the other
        evidence frames, which are clouds, after carrying these to t = 0."""
        if self._shape_sees_all:
            return inputs
        if self.evidence_frames == 1:
            return inputs[:, :1]
        assert isinstance(inputs, Tensor), "the wiring refuses evidence frames of images"
        frames = torch.linspace(0, inputs.shape[1] - 1, self.evidence_frames).round().long()
        carried = [
            self.flow.integrate_backward(inputs[:, k], times[:, k], motion)[:, -1]
            for k in frames.unique().tolist()[1:]
        ]
        return torch.cat([inputs[:, 0], *carried], 1).unsqueeze(1) if carried else inputs[:, :1]

    def _encode_motion(self, inputs: Inputs, times: Float[Tensor, "B T"]) -> Code:
        code = _encode(self.encoder_temporal, inputs, times)
        if self.flow.reads is FramesCode:
            return FramesCode(code.c, code.z, without_cameras(inputs), times)
        return code

    def draw_prior(self, count: int, generator: torch.Generator) -> SequenceCodes:
        """Draw the codes of `count` new sequences from the prior N(0, I) (sec. 3.4)."""
        if self.encoder_spatial is not None or self.encoder_temporal is not None:
            raise ValueError(
                "a model with encoders has no prior to draw new bodies from: its codes do not "
                "follow N(0, I); if they are vectors, learn one (scripts/latent.py prior), or use "
                "a model with latent codes alone, such as configs/benchmark/generative.yaml"
            )
        if not self.has_posterior:
            raise ValueError(
                "the model has no latent code to draw; set model.posterior and "
                "model.posterior_temporal, and train"
            )
        like = next(self.parameters())
        prior = [
            Gaussian(*like.new_zeros(2, count, _latent_size(posterior)))
            for posterior in (self.posterior, self.posterior_temporal)
        ]
        nothing = like.new_zeros(count, 0)
        shape, motion = (Code(nothing, gaussian.sample([generator] * count)) for gaussian in prior)
        return SequenceCodes(shape, motion, prior[0], prior[1])

    def occupancy_logits_0(
        self, points_0: Float[Tensor, "B N 3"], codes: SequenceCodes
    ) -> Float[Tensor, "B N"]:
        if self.decoder is None:
            raise self._cannot_answer("occupancy")
        decoder, shape, seen = self.decoder, codes.shape, into_axes(points_0, codes.axes)
        if decoder.training:  # batch norm takes its statistics over all points
            return decoder(seen, shape)
        return piece_by_piece(lambda piece: decoder(piece, shape), seen)

    def occupancy_logits(
        self, points_t: Float[Tensor, "B N 3"], t: Float[Tensor, "B"], codes: SequenceCodes
    ) -> Float[Tensor, "B N"]:
        """Carry points from time t back to t = 0, and ask the decoder there (eq. 4)."""
        return self.occupancy_logits_0(self.carry_back(points_t, t, codes), codes)

    def carry_back(
        self, points_t: Float[Tensor, "B N 3"], t: Float[Tensor, "B"], codes: SequenceCodes
    ) -> Float[Tensor, "B N 3"]:
        """Where the particles that are at points_t at one time per sequence were at t = 0."""
        end = into_axes(points_t, codes.axes)
        path = self.flow.integrate_backward(end, t, codes.motion)
        return out_of_axes(path[:, -1], codes.axes)

    def trajectories(
        self, points_0: Float[Tensor, "B N 3"], times: Float[Tensor, "T"], codes: SequenceCodes
    ) -> Float[Tensor, "B T N 3"]:
        start = into_axes(points_0, codes.axes)
        return out_of_axes(self.flow.integrate_forward(start, times, codes.motion), codes.axes)

    def trajectories_from_end(
        self, points_1: Float[Tensor, "B N 3"], times: Float[Tensor, "T"], codes: SequenceCodes
    ) -> Float[Tensor, "B T N 3"]:
        ones = torch.ones(len(points_1), dtype=points_1.dtype)
        end = into_axes(points_1, codes.axes)
        path = self.flow.integrate_backward(end, ones, codes.motion, times.flip(0))
        return out_of_axes(path.flip(1), codes.axes)

    def velocities(
        self, points_t: Float[Tensor, "B N 3"], t: float, codes: SequenceCodes
    ) -> Float[Tensor, "B N 3"]:
        here = into_axes(points_t, codes.axes)
        return out_of_axes(self.flow.velocity(here, t, codes.motion), codes.axes)

    def take_nfe(self) -> int:
        nfe, self.flow.nfe = self.flow.nfe, 0
        return nfe


def _seen_from_camera(inputs: Inputs) -> tuple[Inputs, Float[Tensor, "B 3 3"] | None]:
    """Inputs in the axes of the first camera, and these; as they are, if no camera is known."""
    if not isinstance(inputs, Views):
        return inputs, None
    axes = inputs.axes()
    return inputs.in_axes(axes), axes


def _encode(encoder: nn.Module | None, inputs: Inputs, times: Float[Tensor, "B T"]) -> Code:
    """The code of an observation, with a latent part of width 0."""
    return empty_code(len(times), times) if encoder is None else as_code(encoder(inputs, times))


def _infer(
    posterior: nn.Module | None, inputs: Inputs, times: Float[Tensor, "B T"], code: Code
) -> Gaussian:
    if posterior is None:
        return empty_gaussian(len(times), times)
    return posterior(inputs, times, code.c)


def _draw(gaussian: Gaussian, generators: Generators | None) -> Float[Tensor, "B Z"]:
    return gaussian.mean if generators is None else gaussian.sample(generators)


def _latent_size(posterior: nn.Module | None) -> int:
    return 0 if posterior is None else int(posterior.latent_size)  # type: ignore[arg-type]
