"""A prior of codes: a flow that carries normal noise to the codes of windows."""

from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from im2mesh.models.code import Code, empty_gaussian
from im2mesh.models.flow.fixed_steps import solve_with_rk4
from im2mesh.models.prior.components import Components
from im2mesh.models.sequence_model import SequenceCodes

STEP_SIZE = 1 / 20
FREQUENCIES = 6
"""Sines and cosines of the time, each twice as fast as the one before."""


@dataclass(frozen=True)
class CodeWidths:
    """Numbers of each part of the codes of a sequence: what is encoded (c), and what is drawn (z).

    A model with encoders alone has c, an autoencoder has z.
    """

    c_shape: int
    z_shape: int
    c_motion: int
    z_motion: int

    @classmethod
    def of(cls, codes: SequenceCodes) -> "CodeWidths":
        return cls(*(part.shape[1] for part in _parts(codes)))

    @property
    def shape(self) -> int:
        return self.c_shape + self.z_shape

    def split(self, joined: Float[Tensor, "B D"]) -> SequenceCodes:
        """The inverse of `join`; posteriors are empty, as the codes were drawn from none."""
        c_shape, z_shape, c_motion, z_motion = joined.split(tuple(asdict(self).values()), 1)
        nothing = empty_gaussian(len(joined), joined)
        return SequenceCodes(Code(c_shape, z_shape), Code(c_motion, z_motion), nothing, nothing)


def join(codes: SequenceCodes) -> Float[Tensor, "B D"]:
    """The parts of the codes, side by side."""
    return torch.cat(_parts(codes), 1)


class CodePrior(nn.Module):
    """What the codes of a trained model are like, learned by flow matching.

    A velocity field carries noise of N(0, I), at time 0, along straight lines to codes, at time 1
    (Lipman et al., Flow Matching for Generative Modeling, ICLR 2023). Shape and motion are drawn
    together, since a motion belongs to where limbs are.

    Args:
        widths: Widths of the codes.
        components: The codes as numbers of comparable size; the flow moves these.
        hidden_size: Width of the velocity field.
        num_blocks: Its number of residual blocks.
    """

    def __init__(
        self, widths: CodeWidths, components: Components, hidden_size: int, num_blocks: int
    ) -> None:
        super().__init__()
        self.widths = widths
        self.components = components
        count = len(components.directions)
        self.fc_in = nn.Linear(count, hidden_size)
        self.blocks = nn.ModuleList(TimedBlock(hidden_size) for _ in range(num_blocks))
        self.fc_out = nn.Linear(hidden_size, count)

    def velocity(self, t: Float[Tensor, "B"], x: Float[Tensor, "B K"]) -> Float[Tensor, "B K"]:
        """Velocity of components on their way from noise to codes."""
        time, x = time_features(t), self.fc_in(x)
        for block in self.blocks:
            x = block(x, time)
        return self.fc_out(x)

    def loss(self, codes: Float[Tensor, "B D"], random: torch.Generator) -> Float[Tensor, ""]:
        """Squared error of the velocity between noise and codes: of a component, in the mean.

        It does not fall to 0: many lines pass through one place, and only their mean can be known.
        """
        end = self.components.of_codes(codes)
        start = torch.randn(end.shape, generator=random)
        t = torch.rand(len(end), generator=random)
        found = self.velocity(t, start.lerp(end, t[:, None]))
        return F.mse_loss(found, end - start)

    @torch.no_grad()
    def draw(self, random: torch.Generator, temperature: float = 1.0) -> SequenceCodes:
        """Draw the codes of one new sequence (B = 1).

        Args:
            temperature: Standard deviation of the noise. Below 1, draws are more like each other,
                and fewer of them are odd (Kingma and Dhariwal, Glow, NeurIPS 2018).
        """
        noise = temperature * torch.randn(1, len(self.components.directions), generator=random)
        start = noise.to(self.fc_in.weight.device)  # drawn on the CPU, to be the same anywhere
        times = torch.tensor([0.0, 1.0])
        end = solve_with_rk4(self._slope, start, times, STEP_SIZE)[-1]
        return self.widths.split(self.components.to_codes(end))

    def _slope(self, t: Float[Tensor, ""], x: Float[Tensor, "B K"]) -> Float[Tensor, "B K"]:
        return self.velocity(t.expand(len(x)), x)


class TimedBlock(nn.Module):
    """x + fc_1(silu(fc_0(norm(x)) + fc_t(time))); fc_1.weight starts at 0."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(size)
        self.fc_t = nn.Linear(2 * FREQUENCIES, size)
        self.fc_0 = nn.Linear(size, size)
        self.fc_1 = nn.Linear(size, size)
        nn.init.zeros_(self.fc_1.weight)

    def forward(self, x: Float[Tensor, "B H"], time: Float[Tensor, "B F"]) -> Float[Tensor, "B H"]:
        return x + self.fc_1(F.silu(self.fc_0(self.norm(x)) + self.fc_t(time)))


def time_features(t: Float[Tensor, "B"]) -> Float[Tensor, "B F"]:
    """Sines and cosines of times from 0 to 1; the slowest takes two of these to come around."""
    angles = torch.pi * t[:, None] * 2.0 ** torch.arange(FREQUENCIES, device=t.device)
    return torch.cat([angles.sin(), angles.cos()], 1)


def _parts(codes: SequenceCodes) -> tuple[Float[Tensor, "B _"], ...]:
    return codes.shape.c, codes.shape.z, codes.motion.c, codes.motion.z
