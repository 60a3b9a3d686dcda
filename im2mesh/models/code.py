"""What a network is conditioned on."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Float
from torch import Tensor

from im2mesh.models.paths import integrals_at, positions_at

Generators = Sequence[torch.Generator]
"""One per sequence of a batch, so that what is drawn for one depends on no other."""


@dataclass(frozen=True)
class Conditions:
    """What a network is told beside points and times: a dataclass of tensors.

    The flow declares `tensors()` to the adjoint, so whatever a subclass adds receives gradients
    without any change to the flow.
    """

    def tensors(self) -> tuple[Tensor, ...]:
        """Every tensor that a gradient must reach."""
        values = (getattr(self, field.name) for field in fields(self))
        return tuple(value for value in values if isinstance(value, Tensor))

    def as_arguments(self) -> "Conditions":
        """The same values, each a tensor of its own in the graph.

        One tensor may have been computed from another. The adjoint takes derivatives with respect
        to all of them at once, and would count twice what reaches one through another.
        """
        names = [field.name for field in fields(self)]
        values = {name: getattr(self, name) for name in names}
        tensors = {k: v.view_as(v) for k, v in values.items() if isinstance(v, Tensor)}
        return replace(self, **tensors)


@dataclass(frozen=True)
class Code(Conditions):
    """One conditioning per sequence: a conditioned part c and a latent part z.

    A code with more than vectors (features at anchor points, say) is a subclass with more tensor
    fields.

    Attributes:
        c: Encoded from the observation. Width 0 if there is no encoder.
        z: Drawn from a posterior or prior. Width 0 if there is none.
    """

    c: Float[Tensor, "B C"]
    z: Float[Tensor, "B Z"]


@dataclass(frozen=True)
class FramesCode(Code):
    """The observation itself, for methods that look at its frames when they are asked."""

    frames: Float[Tensor, "B K *frame"]
    times: Float[Tensor, "B K"]


@dataclass(frozen=True)
class CodePerFrame(Code):
    """A code for every observed frame beside the one for all of them, c.

    Attributes:
        frames: One code per observed frame.
        times: Of the frames, increasing from 0.
    """

    frames: Float[Tensor, "B K C"]
    times: Float[Tensor, "B K"]

    def at(self, t: Float[Tensor, "B"]) -> Float[Tensor, "B C"]:
        """The code at one time per sequence, linear between the frames beside it."""
        return interpolate_frames(self.frames, self.times, t)


@dataclass(frozen=True)
class AnchoredCode(Code):
    """What is known, and where: features at points that move.

    Attributes:
        paths: Coefficients of the polynomial paths of the anchors; see `paths.py`.
        features: One feature per anchor.
    """

    paths: Float[Tensor, "B K N 3"]
    features: Float[Tensor, "B N F"]


@dataclass(frozen=True)
class MovingCode(AnchoredCode):
    """Anchors that know how their surroundings move.

    Attributes:
        twists: Coefficients over time of a velocity [3], added to that of the path, and of an
            angular velocity [3] about the anchor.
        weights: Positive; how much an anchor counts beside others at the same distance.
    """

    twists: Float[Tensor, "B J N 6"]
    weights: Float[Tensor, "B N 1"]

    def anchors_at(self, t: Float[Tensor, "B"]) -> Float[Tensor, "B N 3"]:
        """Where anchors are: on their paths, and off them by what the added velocity amounts to."""
        return positions_at(self.paths, t) + integrals_at(self.twists[..., :3], t)


@dataclass(frozen=True)
class SpaceTimeCode(Code):
    """Features at points in space and time.

    Attributes:
        anchors: Observed points, with their times as a fourth coordinate in units of space.
        features: One feature per anchor.
    """

    anchors: Float[Tensor, "B N 4"]
    features: Float[Tensor, "B N C"]


def as_code(encoded: Tensor | Code) -> Code:
    """What an encoder returns, a vector per sequence or a whole code, as a code."""
    if isinstance(encoded, Code):
        return encoded
    return Code(c=encoded, z=encoded.new_zeros(len(encoded), 0))


def interpolate_frames(
    frames: Float[Tensor, "B K *frame"], times: Float[Tensor, "B K"], t: Float[Tensor, "B"]
) -> Float[Tensor, "B *frame"]:
    """What is given per frame, at one time per sequence: linear between the frames beside it.

    Before the first and after the last frame it stays as it is there.
    """
    if frames.shape[1] == 1:
        return frames[:, 0]
    later = (times < t.unsqueeze(1)).sum(1).clamp(1, frames.shape[1] - 1)
    rows = torch.arange(len(t), device=t.device)
    start, end = times[rows, later - 1], times[rows, later]
    weight = ((t - start) / (end - start)).clamp(0, 1).to(frames)
    weight = weight.view(-1, *[1] * (frames.dim() - 2))
    before, after = frames[rows, later - 1], frames[rows, later]
    return before + weight * (after - before)


def empty_code(batch_size: int, like: Tensor | None = None) -> Code:
    """The code of a network that is conditioned on nothing."""
    like = torch.zeros(0) if like is None else like
    return Code(c=like.new_zeros(batch_size, 0), z=like.new_zeros(batch_size, 0))


def blend_codes(first: Code, second: Code, weight: float) -> Code:
    """The code a part `weight` of the way from the first to the second.

    Raises:
        ValueError: If the codes are more than two vectors, which no straight line connects.
    """
    for code in (first, second):
        if type(code) is not Code:
            raise ValueError(f"a {type(code).__name__} cannot be blended with another")
    return Code(c=first.c.lerp(second.c, weight), z=first.z.lerp(second.z, weight))


@dataclass(frozen=True)
class Gaussian:
    """One normal distribution per sequence, independent in every dimension; width 0 is legal."""

    mean: Float[Tensor, "B Z"]
    log_std: Float[Tensor, "B Z"]

    def sample(self, generators: Generators) -> Float[Tensor, "B Z"]:
        """Draw on the CPU, so that a seed means the same on every device; differentiable."""
        if len(generators) != len(self.mean):
            raise ValueError(f"{len(generators)} generators for {len(self.mean)} sequences")
        width = self.mean.shape[1]
        drawn = [torch.randn(width, generator=g, dtype=torch.float32) for g in generators]
        return self.mean + self.log_std.exp() * torch.stack(drawn).to(self.mean)

    def kl_to_standard_normal(self) -> Float[Tensor, ""]:
        """KL divergence to N(0, I) in nats, mean over sequences and dimensions; 0 for width 0."""
        if self.mean.numel() == 0:
            return self.mean.new_zeros(())
        variance = (2 * self.log_std).exp()
        return (0.5 * (variance + self.mean**2 - 1) - self.log_std).mean()


def empty_gaussian(batch_size: int, like: Tensor) -> Gaussian:
    """The distribution of a latent code that a model does not have."""
    nothing = like.new_zeros(batch_size, 0)
    return Gaussian(nothing, nothing)
