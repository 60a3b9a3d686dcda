"""What a training logged: curves over its iterations, as TensorBoard shows them."""

from im2mesh.errors import UserError
from im2mesh.runs.folder import RunFolder

Curve = dict[int, float]
"""Iteration -> value."""


def read_logged(run: RunFolder) -> dict[str, Curve]:
    """Tag -> curve, for every number that a run logged.

    Raises:
        UserError: If the run has no logs.
    """
    # slow to import, and few commands need it
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    if not run.logs.is_dir():
        raise UserError(f"no logs at {run.logs}; name the output folder of a training")
    events = EventAccumulator(str(run.logs), size_guidance={"scalars": 0})
    events.Reload()
    tags = events.Tags()["scalars"]
    return {tag: {event.step: event.value for event in events.Scalars(tag)} for tag in tags}


def read_curve(run: RunFolder, tag: str) -> Curve:
    """The curve that a run logged under a tag.

    Raises:
        UserError: If it logged none.
    """
    logged = read_logged(run)
    if tag not in logged:
        raise UserError(f"{run.logs} has no {tag}; it has: {', '.join(logged)}")
    return logged[tag]
