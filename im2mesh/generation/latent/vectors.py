"""Which codes are vectors, so that codes of many windows can stand in one table."""

from im2mesh.errors import UserError
from im2mesh.models.code import Code
from im2mesh.models.sequence_model import SequenceCodes


def refuse_other_codes(codes: SequenceCodes, whose: str) -> None:
    """Refuse codes that say nothing without their own observation, and such as are not finite.

    Args:
        whose: What was encoded, such as "window 01_hips/00000".

    Raises:
        UserError: In these cases.
    """
    if codes.axes is not None:
        raise UserError(
            "the codes of this model are in the axes of the camera of their window "
            "(data.view_cameras), so those of many windows do not go together; use a model that "
            "knows no cameras"
        )
    for what, code in (("shape", codes.shape), ("motion", codes.motion)):
        if type(code) is not Code:
            raise UserError(
                f"the {what} code of this model is no vector but of another kind "
                f"({type(code).__name__}), which belongs to one observation; use a config whose "
                "codes are vectors, such as configs/pointcloud/oflow.yaml"
            )
        if not (code.c.isfinite().all() and code.z.isfinite().all()):
            raise UserError(
                f"the {what} code of {whose} is not finite; the weights have diverged: "
                "train again with a lower training.learning_rate"
            )
