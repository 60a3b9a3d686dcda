"""What the authors' checkpoint files hold: names and shapes, and files made up in that form.

Written down from the names and shapes in tests/authors/, which come from the authors' code, without
looking at our renaming; a test compares the two.
"""

import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scripts.import_official_checkpoint import main

DATA = Path(__file__).parent / "authors"
LOSS = 0.7125  # loss_val_best of the files made here

Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Sizes:
    """Widths of an official model; 0 for what it does not have.

    Attributes:
        c: Width of the conditioned codes.
        z: Width of the latent codes.
        encoder: Hidden width of the spatial encoder.
        encoder_temporal: The same of the temporal encoder.
        frames: Number of frames that the encoder of all frames sees.
        streams: Whether it is the one for the first and the last frame.
        posterior: Hidden width of both posteriors.
        decoder: Hidden width of the decoder.
        velocity: Hidden width of the velocity field.
        velocity_blocks: Its number of residual blocks.
    """

    c: int = 0
    z: int = 0
    encoder: int = 0
    encoder_temporal: int = 0
    frames: int = 17
    streams: bool = False
    posterior: int = 0
    decoder: int = 0
    velocity: int = 0
    velocity_blocks: int = 5


OFLOW = "configs/pointcloud/oflow.yaml"
SMALL = [
    "model.code_size=16",
    "model.encoder.hidden_size=16",
    "model.encoder_temporal.hidden_size=16",
    "model.decoder.hidden_size=16",
    "model.velocity_field.hidden_size=16",
]
SMALL_SIZES = Sizes(c=16, encoder=16, encoder_temporal=16, decoder=16, velocity=16)
SMALL_GENERATIVE = Sizes(z=8, posterior=16, decoder=16, velocity=16, velocity_blocks=3)
"""As in tests/authors/; SMALL are overrides of OFLOW for its sizes."""


def shapes(sizes: Sizes) -> Shapes:
    """Official name -> shape of every parameter and buffer."""
    found: Shapes = {}
    if sizes.decoder:
        found |= _conditional_decoder(sizes) if sizes.c else _simple_decoder(sizes)
    if sizes.encoder:
        found |= _pointnet("encoder", 3, sizes.encoder, sizes.c)
    if sizes.encoder_temporal and sizes.streams:
        name = "encoder_temporal.resnet_pointnet"
        found |= _pointnet(name, 3, sizes.encoder_temporal, sizes.c // 2)
    elif sizes.encoder_temporal:
        width = 3 * sizes.frames
        found |= _pointnet("encoder_temporal", width, sizes.encoder_temporal, sizes.c)
    if sizes.posterior:
        found |= _posterior("encoder_latent", 3, sizes.posterior, sizes.z)
        found |= _posterior("encoder_latent_temporal", 3 * sizes.frames, sizes.posterior, sizes.z)
    return found | _vector_field(sizes)


def _linear(name: str, size_in: int, size_out: int) -> Shapes:
    return {f"{name}.weight": (size_out, size_in), f"{name}.bias": (size_out,)}


def _convolution(name: str, size_in: int, size_out: int) -> Shapes:
    return {f"{name}.weight": (size_out, size_in, 1), f"{name}.bias": (size_out,)}


def _resnet_block(name: str, size_in: int, size_out: int) -> Shapes:
    hidden = min(size_in, size_out)
    found = _linear(f"{name}.fc_0", size_in, hidden) | _linear(f"{name}.fc_1", hidden, size_out)
    if size_in != size_out:
        found[f"{name}.shortcut.weight"] = (size_out, size_in)
    return found


def _batch_norm(name: str, code: int, size: int) -> Shapes:
    return {
        **_convolution(f"{name}.conv_gamma", code, size),
        **_convolution(f"{name}.conv_beta", code, size),
        f"{name}.bn.running_mean": (size,),
        f"{name}.bn.running_var": (size,),
        f"{name}.bn.num_batches_tracked": (),
    }


def _conditional_decoder(sizes: Sizes) -> Shapes:
    size = sizes.decoder
    found = _convolution("decoder.fc_p", 3, size) | _convolution("decoder.fc_out", size, 1)
    for i in range(5):
        block = f"decoder.block{i}"
        for k in range(2):
            found |= _batch_norm(f"{block}.bn_{k}", sizes.c, size)
            found |= _convolution(f"{block}.fc_{k}", size, size)
    return found | _batch_norm("decoder.bn", sizes.c, size)


def _simple_decoder(sizes: Sizes) -> Shapes:
    size = sizes.decoder
    found = _linear("decoder.fc_p", 3, size) | _linear("decoder.fc_out", size, 1)
    if sizes.z:
        found |= _linear("decoder.fc_z", sizes.z, size)
    for i in range(5):
        found |= _resnet_block(f"decoder.block{i}", size, size)
    return found


def _pointnet(name: str, width: int, size: int, code: int) -> Shapes:
    found = _linear(f"{name}.fc_pos", width, 2 * size) | _linear(f"{name}.fc_c", size, code)
    for i in range(5):
        found |= _resnet_block(f"{name}.block_{i}", 2 * size, size)
    return found


def _posterior(name: str, width: int, size: int, code: int) -> Shapes:
    found = _linear(f"{name}.fc_pos", width, 2 * size)
    for i in range(3):
        found |= _resnet_block(f"{name}.blocks.{i}", 2 * size, size)
    return found | _linear(f"{name}.fc_mean", size, code) | _linear(f"{name}.fc_logstd", size, code)


def _vector_field(sizes: Sizes) -> Shapes:
    name, size = "vector_field", sizes.velocity
    found = _linear(f"{name}.fc_p", 4, size) | _linear(f"{name}.fc_out", size, 3)
    for i in range(sizes.velocity_blocks):
        found |= _resnet_block(f"{name}.blocks.{i}", size, size)
        if sizes.c:
            found |= _linear(f"{name}.fc_c.{i}", sizes.c, size)
        if sizes.z:
            found |= _linear(f"{name}.fc_z.{i}", sizes.z, size)
    return found


def random_state(sizes: Sizes) -> dict[str, Tensor]:
    """Weights of a size at which activations neither vanish nor explode."""
    return {name: _random(name, shape) for name, shape in shapes(sizes).items()}


def _random(name: str, shape: Sequence[int]) -> Tensor:
    if name.endswith("num_batches_tracked"):
        return torch.tensor(1000)
    if name.endswith("running_var"):
        return 0.5 + torch.rand(*shape)
    return torch.randn(*shape) / math.prod(shape[1:]) ** 0.5


def official_file(state: dict[str, Tensor], **changes: Any) -> dict[str, Any]:
    """The content of a file, its optimizer state as of torch 1.0; `changes` replace entries."""
    weights = [x for name, x in state.items() if ".bn.running_" not in name and x.ndim]
    keys = [id(x) for x in weights]
    moments = [
        {"step": 3456, "exp_avg": torch.zeros_like(x), "exp_avg_sq": torch.ones_like(x)}
        for x in weights
    ]
    group = {"lr": 1e-4, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0, "amsgrad": False}
    content = {
        "model": OrderedDict(state),
        "optimizer": {
            "state": dict(zip(keys, moments, strict=True)),
            "param_groups": [{**group, "params": keys}],
        },
        "epoch_it": 12,
        "it": 3456,
        "loss_val_best": np.float64(LOSS),
    }
    return content | changes


def write_official(path: Path, content: Any, *, zipped: bool = False) -> Path:
    """Write as torch did in 2019, of a model on a GPU, or zipped as it does since 1.6."""
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    if not zipped:
        path.write_bytes(path.read_bytes().replace(b"X\x03\0\0\0cpu", b"X\x06\0\0\0cuda:0"))
    return path


def import_file(folder: Path, content: object, *arguments: str, config: str = OFLOW) -> Path:
    """Write an official file, import it, return the path of ours."""
    source, out = write_official(folder / "official.pt", content), folder / "ours.pt"
    main([str(source), "--config", config, str(out), *arguments])
    return out


def parity_arrays(name: str) -> dict[str, Tensor]:
    with np.load(DATA / f"{name}.npz") as arrays:
        return {key: torch.as_tensor(arrays[key]) for key in arrays.files if "train" not in key}


def parity_state(name: str) -> dict[str, Tensor]:
    arrays = parity_arrays(name).items()
    return {key.removeprefix("weights/"): x for key, x in arrays if key.startswith("weights/")}
