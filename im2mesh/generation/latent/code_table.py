"""A table of the latent codes of many windows, and how far they are from the prior."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from tqdm import tqdm

from im2mesh.config.schema import Config
from im2mesh.data.layout import Window
from im2mesh.errors import UserError
from im2mesh.files.atomic import atomic_file, write_csv
from im2mesh.files.results import replacing_results
from im2mesh.generation.generator import Generator
from im2mesh.generation.inputs import read_input
from im2mesh.models.code import Gaussian
from im2mesh.runs.origins import RunOrigin

ACTIVE_VARIANCE = 0.01  # above it, a dimension is active (Burda et al., ICLR 2016)
COLLAPSED_NATS = 0.01  # per dimension; below it, a posterior is practically the prior


@dataclass(frozen=True)
class Posteriors:
    """Normal distributions of one latent code, one per window; width 0 if there is no such code."""

    mean: Float[np.ndarray, "W Z"]
    std: Float[np.ndarray, "W Z"]

    @property
    def kl_per_dimension(self) -> Float[np.ndarray, "Z"]:
        """KL divergence to N(0, 1) in nats, mean over windows; 0 for a collapsed dimension."""
        return (0.5 * (self.std**2 + self.mean**2 - 1) - np.log(self.std)).mean(axis=0)

    @property
    def num_active(self) -> int:
        """Number of dimensions whose mean has a variance above 0.01 over windows."""
        return int((self.mean.var(axis=0) > ACTIVE_VARIANCE).sum())


@dataclass(frozen=True)
class CodeTable:
    """Posteriors of the shape and motion codes; row i belongs to window i."""

    windows: tuple[Window, ...]
    shape: Posteriors
    motion: Posteriors

    def save(self, path: Path, origin: RunOrigin) -> None:
        """Write an .npz file and, beside it, a .csv file with the windows of its rows.

        Arrays of the .npz: z_shape [W, Z] and z_motion [W, Z], the posterior means;
        std_shape and std_motion, their standard deviations; category [W], clip [W], start [W];
        origin [], JSON text of what made the codes. Each line of the .csv has the origin's hash.

        Raises:
            UserError: If files of somebody else would be replaced.
        """
        table = path.with_suffix(".csv")
        with replacing_results(path.parent, [path.name, table.name]) as place:
            self._save_codes(place / path.name, origin)
            self._save_names(place / table.name, origin)

    def _save_codes(self, path: Path, origin: RunOrigin) -> None:
        with atomic_file(path) as file:
            np.savez(
                file,
                z_shape=self.shape.mean,
                z_motion=self.motion.mean,
                std_shape=self.shape.std,
                std_motion=self.motion.std,
                category=np.array([window.category for window in self.windows]),
                clip=np.array([window.clip for window in self.windows]),
                start=np.array([window.start for window in self.windows]),
                origin=np.array(json.dumps(origin.as_dict())),
            )

    def _save_names(self, path: Path, origin: RunOrigin) -> None:
        names = (
            [row, window.category, window.clip, window.start, origin.id]
            for row, window in enumerate(self.windows)
        )
        heading = ["row", "category", "clip", "start", "origin"]
        write_csv(path, [heading, *names])

    def __str__(self) -> str:
        """How the codes compare with the prior, one line per code."""
        lines = [
            f"{'code':8}{'width':>7}{'z: |mean|':>12}{'std':>8}{'posterior std':>16}"
            f"{'KL: mean':>11}{'largest':>9}{'active':>9}"
        ]
        codes = {"shape": self.shape, "motion": self.motion}
        lines += [_line(name, posteriors) for name, posteriors in codes.items()]
        lines.append(
            "prior: z has mean 0 and std 1 over windows; a posterior equal to it has std 1, KL 0.\n"
            "KL in nats, per dimension. active: dimensions in which z has a variance above "
            f"{ACTIVE_VARIANCE} over windows."
        )
        lines += [f"{name}: {_warning(code)}" for name, code in codes.items() if _warning(code)]
        return "\n".join(lines)


def encode_windows(generator: Generator, config: Config, windows: Sequence[Window]) -> CodeTable:
    """The posteriors of both latent codes of every window.

    Raises:
        UserError: If the model has no latent code.
    """
    if not generator.model.has_posterior:
        raise UserError(
            "the model has no latent code to write; set model.posterior or "
            "model.posterior_temporal (or both), and train"
        )
    found = []
    for window in tqdm(windows, desc="encode", unit="window"):
        codes = generator.encode(read_input(config, window).observation)
        found.append((codes.shape_posterior, codes.motion_posterior))
    shape, motion = zip(*found, strict=True)
    return CodeTable(tuple(windows), _stack(shape), _stack(motion))


def _stack(posteriors: Sequence[Gaussian]) -> Posteriors:
    means = [posterior.mean.cpu().numpy() for posterior in posteriors]
    stds = [posterior.log_std.exp().cpu().numpy() for posterior in posteriors]
    return Posteriors(np.concatenate(means), np.concatenate(stds))


def _warning(posteriors: Posteriors) -> str:
    """A warning about a code as a whole, or ""; a single window says too little for one."""
    num_windows, width = posteriors.mean.shape
    if width == 0 or num_windows == 1:
        return ""
    if posteriors.kl_per_dimension.max() < COLLAPSED_NATS:
        return "the posterior has collapsed to the prior; lower loss.kl, or train longer"
    if posteriors.num_active == 0:
        return "the code hardly differs between windows; train longer, or on more varied clips"
    return ""


def _line(name: str, posteriors: Posteriors) -> str:
    width = posteriors.mean.shape[1]
    if width == 0:
        return f"{name:8}{width:7d}  the model has no such code"
    kl = posteriors.kl_per_dimension
    return (
        f"{name:8}{width:7d}{np.abs(posteriors.mean.mean(axis=0)).mean():12.3f}"
        f"{posteriors.mean.std(axis=0).mean():8.3f}{posteriors.std.mean():16.3f}"
        f"{kl.mean():11.3f}{kl.max():9.3f}{posteriors.num_active:9d}"
    )
