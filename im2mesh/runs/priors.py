"""A learned prior in a file, with the hash of the weights whose codes it draws."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from im2mesh.errors import UserError
from im2mesh.files.hashes import hash_text
from im2mesh.files.tensor_files import TensorFileError, checksum, read_tensors, write_tensors
from im2mesh.models.prior.code_prior import CodePrior, CodeWidths
from im2mesh.models.prior.components import Components
from im2mesh.runs.weights import weights_digest

FORMAT = "occupancy-flow prior 1"


@dataclass(frozen=True)
class LearnedPrior:
    """A prior, and where it comes from.

    Attributes:
        weights: Hash of the weights of the model whose codes it draws (see `weights_digest`).
        made_by: Note of the origin: windows, settings and seed of the learning.
        loss, held_out_loss: See `CodePrior.loss`; of the windows it learned, and of other clips.
    """

    prior: CodePrior
    weights: str
    made_by: dict[str, Any]
    loss: float
    held_out_loss: float

    @property
    def fingerprint(self) -> str:
        """A hash of the prior; in origins it takes the place of a data set's."""
        return f"prior {hash_text(checksum(self.prior.state_dict()))}"


def write_prior(path: Path, learned: LearnedPrior) -> None:
    """Write a .safetensors file, in half precision.

    Raises:
        UserError: If a weight is too large for half precision.
        OSError: If the file cannot be written; an older one is kept.
    """
    prior = learned.prior
    header = {
        "widths": asdict(prior.widths),
        "weights": learned.weights,
        "made_by": learned.made_by,
        "loss": learned.loss,
        "held_out_loss": learned.held_out_loss,
    }
    tensors = {name: tensor.half() for name, tensor in prior.state_dict().items()}
    if not all(bool(tensor.isfinite().all()) for tensor in tensors.values()):
        raise UserError(
            "the prior has weights that half precision cannot hold: its codes differ too much in "
            "size; train the model again with a lower training.learning_rate"
        )
    write_tensors(path, FORMAT, tensors, header)


def read_prior(path: Path, model: torch.nn.Module) -> LearnedPrior:
    """Read the prior of the codes of a model.

    Raises:
        UserError: If there is no such file, it is damaged, or of other weights.
    """
    if not path.is_file():
        raise UserError(f"no prior at {path}; scripts/latent.py prior learns one")
    try:
        tensors, header = read_tensors(path, FORMAT)
        learned = _build(tensors, header)
    except (TensorFileError, KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{path} is no prior of codes: {error}; scripts/latent.py prior learns one"
        ) from error
    if learned.weights != weights_digest(model):
        raise UserError(
            f"the prior of {path} is of other weights; learn one of these weights "
            "(scripts/latent.py prior), name another one (--prior), or draw from N(0, I) (--normal)"
        )
    return learned


def _build(tensors: dict[str, Tensor], header: dict[str, Any]) -> LearnedPrior:
    """The prior of a file; its sizes are those of its tensors.

    Raises:
        KeyError, TypeError, ValueError: If they do not fit together.
    """
    widths = CodeWidths(**header.pop("widths"))
    num_components, width = tensors["components.directions"].shape
    parts = list(asdict(widths).values())
    if not all(type(part) is int and part >= 0 for part in parts) or sum(parts) != width:
        raise ValueError(f"it draws {width} numbers, which are not the parts {widths}")
    hidden_size = len(tensors["fc_in.bias"])
    num_blocks = sum(name.endswith(".fc_0.bias") for name in tensors)
    with torch.device("meta"):  # a small file may ask for a prior of any size
        prior = CodePrior(widths, Components(num_components, width), hidden_size, num_blocks)
    expected = {name: tensor.shape for name, tensor in prior.state_dict().items()}
    if expected != {name: tensor.shape for name, tensor in tensors.items()}:
        raise ValueError("its weights do not fit together")
    if not all(bool(tensor.isfinite().all()) for tensor in tensors.values()):
        raise ValueError("some of its weights are not finite")
    prior.load_state_dict({name: value.float() for name, value in tensors.items()}, assign=True)
    learned = LearnedPrior(prior.requires_grad_(False).eval(), **header)
    if not isinstance(learned.weights, str) or not isinstance(learned.made_by, dict):
        raise ValueError("its header does not say what made it")
    return learned
