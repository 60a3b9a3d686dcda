"""Samples of the prior of a generative model (sec. 3.4): bodies and motions from nothing."""

import torch

from im2mesh.data.transforms import AS_IT_IS
from im2mesh.errors import UserError
from im2mesh.generation.generator import Generator
from im2mesh.generation.latent.coded_body import CodedBody


def sample_prior(generator: Generator, count: int, seed: int) -> list[CodedBody]:
    """Draw new bodies and motions from the prior N(0, I); body k does not depend on the count.

    Raises:
        UserError: If the model has no latent code, or needs an observation or a surface.
    """
    model = generator.model
    refuse_impossible_samples(generator, count)
    random = torch.Generator().manual_seed(seed)
    try:
        drawn = [model.draw_prior(1, random) for _ in range(count)]
    except ValueError as error:
        raise UserError(str(error)) from error
    return [CodedBody(f"{k:02d}", f"sample {k}", codes, AS_IT_IS) for k, codes in enumerate(drawn)]


def refuse_impossible_samples(generator: Generator, count: int) -> None:
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
