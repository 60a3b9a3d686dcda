"""What a model of images takes over from a model of clouds whose codes it is to learn.

A network that is trained on images from nothing has to find out at once what bodies look like and
how to describe them. A model of clouds has found a description. So its decoder and velocity field
are taken over, and encoders learn to say its codes (Hinton et al., Distilling the Knowledge in a
Neural Network, 2015; `lessons`), which takes no labelled points and no ODE. An ordinary training
can go on from there.

The teacher knows upright bodies, in the axes of the world. The pupil sees positions in the axes of
its first camera (`axes_of`). So the first and last layers of the teacher's networks are turned,
by one matrix for all windows, from axes in which bodies are upright to those of a camera.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from im2mesh.data.batch import Batch
from im2mesh.errors import UserError
from im2mesh.models.sequence_model import SequenceModel
from im2mesh.models.views import axes_of

READS_POSITIONS = ("decoder.fc_p.weight", "flow.velocity_field.fc_p.weight")
GIVES_VELOCITIES = "flow.velocity_field.fc_out"
TAUGHT = ("decoder.", "flow.")
"""Parts that the pupil takes over from its teacher."""
NETWORKS = ".network."
"""In the names of the weights of an encoder: those that see images, before the code is made."""
PIXELS = ".pixels."
"""In the names of the weights of a decoder or a velocity field: those of its `PixelReader`."""
SAME_ANGLE = 0.02
"""Largest difference of entries of the matrices of cameras that count as alike: 1 degree."""


def upright_axes(camera: Float[Tensor, "B 3 3"]) -> Float[Tensor, "B 3 3"]:
    """Axes, as rows, of the world turned about the vertical until the camera looks along -z.

    Args:
        camera: Axes of cameras (see `axes_of`); none may look straight up or down.
    """
    up = camera.new_tensor([0.0, 1.0, 0.0]).expand(len(camera), 3)
    right = camera[:, 0] - camera[:, 0, 1:2] * up
    right = F.normalize(right, dim=-1)
    return torch.stack([right, up, torch.linalg.cross(right, up, dim=-1)], 1)


def turn_networks(
    weights: Mapping[str, Tensor], to_camera: Float[Tensor, "3 3"]
) -> dict[str, Tensor]:
    """A decoder and a velocity field that answer the same at positions in other axes.

    Args:
        weights: Those of the teacher.
        to_camera: Matrix from its positions to those that the pupil sees.

    Raises:
        UserError: If the networks are not those of the paper, which read positions in one layer.
    """
    turned = {name: value for name, value in weights.items() if name.startswith(TAUGHT)}
    last = f"{GIVES_VELOCITIES}.weight", f"{GIVES_VELOCITIES}.bias"
    if missing := [name for name in (*READS_POSITIONS, *last) if name not in turned]:
        raise UserError(
            f"the teacher has no {missing[0]}: only a decoder and a velocity field of the paper "
            "can be turned to a camera; choose a teacher such as oflow_w_correspond"
        )
    for name in READS_POSITIONS:
        layer = turned[name].float().clone()
        layer[:, :3] = layer[:, :3] @ to_camera.T
        turned[name] = layer
    for name in last:
        turned[name] = to_camera @ turned[name].float()
    return turned


def camera_of_upright(batch: Batch) -> Float[Tensor, "3 3"]:
    """The matrix from upright axes (see `upright_axes`) to those of the camera.

    Args:
        batch: Windows as they are stored, with cameras, not augmented.

    Raises:
        UserError: If these cameras look down by different angles, or are rolled.
    """
    axes = axes_of(batch.cameras[:, 0])
    matrices = axes @ upright_axes(axes).transpose(1, 2)
    mean = matrices.mean(0)
    if (matrices - mean).abs().max() > SAME_ANGLE:
        raise UserError(
            "cameras look down by different angles, and the networks of the teacher can be turned "
            "to one only; use a data set whose cameras do not (make_bodies.py --views)"
        )
    return mean


def take_over(pupil: SequenceModel, weights: Mapping[str, Tensor], whose: str) -> None:
    """Fill whole networks of a model with weights of the same names.

    Where the weights know no pixels, the model's own layers that read these stay as they are; fresh
    ones add nothing to an answer.

    Args:
        whose: Name of the weights, for messages.

    Raises:
        UserError: If there are none, or the networks have other sizes.
    """
    if not weights:
        raise UserError(f"{whose} has nothing that this configuration could take over")
    own = pupil.state_dict()
    networks = {_network_of(name) for name in weights}
    know_pixels = any(PIXELS in name for name in weights)
    wanted = {
        name: tuple(own[name].shape)
        for name in own
        if _network_of(name) in networks and (know_pixels or PIXELS not in name)
    }
    given = {name: tuple(value.shape) for name, value in weights.items()}
    if differing := sorted(
        n for n in wanted.keys() | given.keys() if wanted.get(n) != given.get(n)
    ):
        name = differing[0]
        raise UserError(
            f"{name} has the shape {given.get(name, 'of nothing')} in {whose} and "
            f"{wanted.get(name, 'of nothing')} in this configuration; give its networks the sizes "
            f"of {whose}"
        )
    pupil.load_state_dict({**own, **weights})


def image_networks(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Of the weights of a model of images: what sees them, before a code is made."""
    return {name: value for name, value in weights.items() if NETWORKS in name}


def _network_of(name: str) -> str:
    """What is taken over as a whole: the decoder, the flow, or one encoder's layers for images."""
    before, found, _ = name.partition(NETWORKS)
    return before + found if found else name.split(".")[0]
