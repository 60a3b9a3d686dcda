"""New codes near those of many windows, for models whose codes follow no known distribution.

A variational autoencoder teaches its latent codes to follow N(0, I); an ordinary encoder has no
such duty. Its codes of bodies that face all directions lie around a ring, say, and in the middle of
the ring there is no body. So a distribution is taken from codes of true windows: a mixture of
normal distributions, each of a window and its neighbours, which follows the surface that codes lie
on (as do Manifold Parzen Windows: Vincent and Bengio, NIPS 2002).
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int

from im2mesh.data.transforms import AS_IT_IS
from im2mesh.errors import UserError
from im2mesh.files.hashes import hash_file
from im2mesh.files.npz import NpzError, read_arrays
from im2mesh.generation.generator import Generator
from im2mesh.generation.latent.coded_body import CODE_NAMES, CodedBody
from im2mesh.generation.latent.samples import refuse_impossible_samples
from im2mesh.models.code import Code, empty_gaussian
from im2mesh.models.sequence_model import SequenceCodes
from im2mesh.runs.weights import digest_as_numbers, weights_digest

NEIGHBOURS = 3
"""With 6, 78 % of 40 samples were of one piece, closed and of a body's size; with 3, 88 %."""
PARTS = ("c_shape", "z_shape", "c_motion", "z_motion")


@dataclass(frozen=True)
class NearbyCodes:
    """A mixture of normal distributions, one per window.

    Each has the mean and the covariance of a group: the code of its window, and the nearest one of
    each of the `NEIGHBOURS` nearest other clips. (Windows of one clip overlap, and their codes say
    little new.) Shape and motion are drawn together, since a motion belongs to where limbs are.

    Attributes:
        parts: Name, out of `PARTS` -> that part of the code of every window.
        of_clip: Number of each window's clip.
        path: File that they were read from.
    """

    parts: dict[str, Float[np.ndarray, "W _"]]
    of_clip: Int[np.ndarray, "W"]
    path: Path

    @staticmethod
    def load(path: Path, generator: Generator) -> "NearbyCodes":
        """Read a file that scripts/latent.py encode wrote, for the model that it encoded with.

        Raises:
            UserError: If there is no such file, or it is of another kind or another model, or has
                too few clips.
        """
        if not path.is_file():
            raise UserError(
                f"no table of codes at {path}; scripts/latent.py encode writes one of the windows "
                "of a split"
            )
        try:
            stored = read_arrays(path, (*PARTS, "of_clip", "weights"))
            parts = {name: stored[name].astype(np.float64) for name in PARTS}
            found = NearbyCodes(parts, stored["of_clip"], path)
            weights = stored["weights"]
        except (NpzError, KeyError) as error:
            raise UserError(
                f"{path} is no table of codes: {error}; scripts/latent.py encode writes one"
            ) from error
        if not np.array_equal(weights, digest_as_numbers(weights_digest(generator.model))):
            raise UserError(
                f"the codes of {path} are of other weights; encode the windows with these "
                "(scripts/latent.py encode)"
            )
        found._refuse_unusable()
        return found

    def _refuse_unusable(self) -> None:
        """Refuse codes that are no codes of windows, or too few clips to mix."""
        rows = {len(part) for part in (*self.parts.values(), self.of_clip)}
        if len(rows) > 1 or not all(np.isfinite(part).all() for part in self.parts.values()):
            raise UserError(
                f"the codes of {self.path} are not finite, or not one for each window; encode again"
            )
        clips = len(np.unique(self.of_clip))
        if clips <= NEIGHBOURS:
            raise UserError(
                f"{self.path} has codes of {clips} clips; it takes at least "
                f"{NEIGHBOURS + 1}, of which new ones are mixed: encode a larger split"
            )

    def draw(self, random: np.random.Generator) -> dict[str, Float[np.ndarray, "_"]]:
        """Draw the parts of one code."""
        window = random.integers(len(self.of_clip))
        order = np.argsort(np.square(self._scaled - self._scaled[window]).sum(1), kind="stable")
        order = order[self.of_clip[order] != self.of_clip[window]]
        _, first_of_clip = np.unique(self.of_clip[order], return_index=True)
        group = np.append(order[np.sort(first_of_clip)[:NEIGHBOURS]], window)
        noise = random.normal(size=len(group)) / np.sqrt(len(group))
        means = {name: part[group].mean(0) for name, part in self.parts.items()}
        return {
            name: mean + noise @ (self.parts[name][group] - mean) for name, mean in means.items()
        }

    @property
    def fingerprint(self) -> str:
        """A hash of the file; in origins it takes the place of a data set's."""
        return f"codes {hash_file(self.path)}"

    @cached_property
    def _scaled(self) -> Float[np.ndarray, "W D"]:
        """Codes in which shape and motion have equal weight in a distance."""
        pairs = (PARTS[:2], PARTS[2:])
        codes = [np.concatenate([self.parts[name] for name in pair], 1) for pair in pairs]
        spreads = [np.sqrt(code.var(0).sum()) for code in codes]
        return np.concatenate(
            [code / max(spread, 1e-9) for code, spread in zip(codes, spreads, strict=True)], 1
        )


def sample_nearby(
    generator: Generator, nearby: NearbyCodes, count: int, seed: int
) -> list[CodedBody]:
    """Draw new bodies and motions near those of true windows; body k does not depend on the count.

    Raises:
        UserError: If the count is below 1 or the seed below 0, or the model needs a given surface.
    """
    refuse_impossible_samples(generator, count)
    if seed < 0:
        raise UserError(f"the seed is {seed}; it must be 0 or more")
    drawn = [nearby.draw(np.random.default_rng((seed, k))) for k in range(count)]
    return [
        CodedBody(f"{k:02d}", f"sample {k}", _as_codes(parts, generator.device), AS_IT_IS)
        for k, parts in enumerate(drawn)
    ]


def _as_codes(parts: dict[str, Float[np.ndarray, "_"]], device: torch.device) -> SequenceCodes:
    """The codes of one sequence; their posteriors are empty, as they were drawn from none."""
    row = {
        name: torch.from_numpy(part).float().unsqueeze(0).to(device) for name, part in parts.items()
    }
    nothing = empty_gaussian(1, row["c_shape"])
    shape, motion = (Code(row[f"c_{what}"], row[f"z_{what}"]) for what in CODE_NAMES)
    return SequenceCodes(shape, motion, nothing, nothing)
