"""Codes of windows -> new moving bodies: blends of two windows, a motion on another body."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from im2mesh.config.schema import Config
from im2mesh.data.layout import Window
from im2mesh.errors import UserError
from im2mesh.generation.generator import Generator
from im2mesh.generation.inputs import read_input
from im2mesh.generation.latent.coded_body import CodedBody, CodeName
from im2mesh.models.code import Code, blend_codes, empty_gaussian
from im2mesh.models.sequence_model import SequenceCodes


def encode_body(generator: Generator, config: Config, window: Window, name: str) -> CodedBody:
    """Encode a window into its conditioned codes and the means of its latent codes.

    Raises:
        UserError: If the config pulls every motion to the last frame of its window.
    """
    if config.generation.blend_from_end:
        raise UserError(
            "generation.blend_from_end pulls a body to the last frame of its own window, whatever "
            "its motion code says; set it to false"
        )
    source = read_input(config, window)
    codes = generator.encode(source.observation)
    return CodedBody(name, name, codes, source.frame, source.given)


def interpolate(first: CodedBody, last: CodedBody, what: CodeName, steps: int) -> list[CodedBody]:
    """Bodies whose shape or motion code goes from the first to the last in even steps.

    The whole code is blended, its conditioned part c as well as its latent part z; the other code,
    and the place in the world, stay those of the first.

    Raises:
        UserError: If there are fewer than 2 steps, or the model lacks the code, or the code is not
            a vector.
    """
    if steps < 2:
        raise UserError(f"steps is {steps}; it takes at least 2: the first body and the last")
    _refuse_cameras(first)
    _check_vector(first, what)
    _check_decides(first, what)
    weights = np.linspace(0, 1, steps).tolist()
    return [
        replace(
            first,
            name=f"{step:02d}",
            label=f"{step}: w={weight:.2f}",
            codes=_blend(first.codes, last.codes, what, weight),
        )
        for step, weight in enumerate(weights)
    ]


def _refuse_cameras(body: CodedBody) -> None:
    """Refuse codes that say where things are as one camera sees them."""
    if body.codes.axes is not None:
        raise UserError(
            "these codes are in the axes of the camera of their window (data.view_cameras), so "
            "those of two windows do not go together; use a model that knows no cameras"
        )


def transfer_motion(motion_of: CodedBody, body_of: CodedBody) -> CodedBody:
    """Combine the motion code of one body with the shape code, or given surface, of another.

    The shape code may be of any kind, since it stays with its body.

    Raises:
        UserError: If the model has no separate codes of shape and motion, or the motion code is not
            a vector.
    """
    _refuse_cameras(motion_of)
    _check_vector(motion_of, "motion")
    _check_decides(motion_of, "motion")
    if body_of.given is None:
        _check_decides(body_of, "shape")
    codes = replace(
        body_of.codes,
        motion=motion_of.codes.motion,
        motion_posterior=motion_of.codes.motion_posterior,
    )
    return replace(body_of, name="transfer", label="transfer", codes=codes)


def transfer_motions(
    motions_of: Sequence[CodedBody], bodies_of: Sequence[CodedBody]
) -> dict[str, list[CodedBody]]:
    """Every body with every motion; see `transfer_motion`.

    Returns:
        Label of a body -> that body with each of the motions.
    """
    return {
        body.label: [
            replace(
                transfer_motion(motion, body),
                name=f"{body.name}_as_{motion.name}",
                label=f"{body.label} as {motion.label}",
            )
            for motion in motions_of
        ]
        for body in bodies_of
    }


def _blend(
    first: SequenceCodes, last: SequenceCodes, what: CodeName, weight: float
) -> SequenceCodes:
    """Blend one of the codes; its posterior becomes empty, as a blend was drawn from none."""
    none = empty_gaussian(1, _code(first, what).z)
    blended = blend_codes(_code(first, what), _code(last, what), weight)
    if what == "shape":
        return replace(first, shape=blended, shape_posterior=none)
    return replace(first, motion=blended, motion_posterior=none)


def _check_vector(body: CodedBody, what: CodeName) -> None:
    """Refuse a code that is tied to the frames or the places of one observation."""
    kind = type(_code(body.codes, what))
    if kind is not Code:
        raise UserError(
            f"the {what} code of this model is no vector but a {kind.__name__}, which belongs to "
            "one observation: it can be neither blended nor given to another body; use a config "
            f"whose {what} code is a vector, such as configs/pointcloud/oflow.yaml or "
            "configs/generative/oflow.yaml"
        )


def _check_decides(body: CodedBody, what: CodeName) -> None:
    """Refuse to change a code that the meshes do not depend on."""
    code = _code(body.codes, what)
    if code.c.shape[1] + code.z.shape[1] == 0:
        raise UserError(
            f"the model has no {what} code to blend or exchange; that takes model.method "
            f"occupancy_flow with {_SOURCES[what]}"
        )
    if what == "shape" and body.given is not None:
        raise UserError(
            "the surface at t = 0 is given (generation.surface), so the shape code changes "
            "nothing; blend the motion code"
        )


_SOURCES: dict[CodeName, str] = {
    "shape": "model.encoder or model.posterior",
    "motion": "model.encoder_temporal or model.posterior_temporal",
}


def _code(codes: SequenceCodes, what: CodeName) -> Code:
    return codes.shape if what == "shape" else codes.motion
