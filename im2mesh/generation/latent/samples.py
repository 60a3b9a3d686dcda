"""Bodies and motions from nothing: samples of a prior of codes (sec. 3.4)."""

import torch

from im2mesh.data.transforms import AS_IT_IS
from im2mesh.errors import UserError
from im2mesh.generation.generator import Generator
from im2mesh.generation.latent.coded_body import CodedBody
from im2mesh.models.prior.code_prior import CodePrior


def sample_prior(
    generator: Generator, prior: CodePrior | None, count: int, seed: int, temperature: float = 1.0
) -> list[CodedBody]:
    """Draw new bodies and motions; body k does not depend on the count.

    Args:
        prior: What the codes of windows are like, as it was learned; None for N(0, I), which the
            latent codes of an autoencoder are taught to follow.
        temperature: See `CodePrior.draw`; it is for a learned prior alone.

    Raises:
        UserError: If the model has no latent code to draw from N(0, I), or needs a surface.
    """
    _refuse_impossible_samples(generator, count)
    random = torch.Generator().manual_seed(seed)
    if prior is not None:
        prior = prior.to(generator.device)
        drawn = [prior.draw(random, temperature) for _ in range(count)]
    else:
        try:
            drawn = [generator.model.draw_prior(1, random) for _ in range(count)]
        except ValueError as error:
            raise UserError(str(error)) from error
    return [CodedBody(f"{k:02d}", f"sample {k}", codes, AS_IT_IS) for k, codes in enumerate(drawn)]


def _refuse_impossible_samples(generator: Generator, count: int) -> None:
    """Refuse to draw no bodies, or such as would need a given surface or several codes each.

    Raises:
        UserError: In these cases.
    """
    refuse_copies(generator)
    if count < 1:
        raise UserError(f"count is {count}; it must be at least 1")
    if generator.needs_given_surface:
        raise UserError(
            f"generation.surface is {generator.config.surface}, but a sample has no given surface; "
            "set it to extracted"
        )


def refuse_copies(generator: Generator) -> None:
    """Refuse a sequence of several codes, where one is needed.

    Raises:
        UserError: If several copies of it are observed.
    """
    if generator.config.copies > 1:
        raise UserError(
            f"generation.copies is {generator.config.copies}, so a window has a code for each "
            "copy; set it to 1"
        )
