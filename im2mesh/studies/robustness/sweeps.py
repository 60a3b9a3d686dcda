"""The sweeps: each changes one setting of the data and leaves all others as they are."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from im2mesh.config.schema import DataConfig
from im2mesh.errors import UserError
from im2mesh.models.wiring.compatibility import check_clouds


@dataclass(frozen=True)
class Sweep:
    """One setting of section `data` at several values, all else as the run has it.

    Attributes:
        name: Name on the command line.
        key: Key of the setting in section data.
        title: Title in words, with the unit.
        values: Values in the order of the plot.
        is_log: Whether values are spread over a logarithmic axis, from the smallest above 0.
        of_clouds: Whether the setting changes observed clouds alone, so that it does nothing for
            models of images.
    """

    name: str
    key: str
    title: str
    values: tuple[int, ...] | tuple[float, ...]
    is_log: bool = False
    of_clouds: bool = True

    def changed(self, data: DataConfig, value: float) -> DataConfig:
        """The settings of a run with this one changed.

        Raises:
            UserError: If the setting cannot have the value.
        """
        try:
            return DataConfig.model_validate({**data.model_dump(), self.key: value})
        except ValueError as error:
            raise UserError(f"sweep {self.name}: data.{self.key} cannot be {value}") from error


SWEEPS = {
    sweep.name: sweep
    for sweep in (
        Sweep("points", "num_input_points", "Points per cloud", (100, 200, 300, 1000, 3000), True),
        Sweep(
            "noise",
            "input_noise",
            "Noise, standard deviation [length]",
            (0.0, 0.001, 0.005, 0.01, 0.02),
            True,
        ),
        Sweep("outliers", "input_outliers", "Share of outliers", (0.0, 0.05, 0.1, 0.2)),
        Sweep("hole", "input_hole", "Radius of the hole [length]", (0.0, 0.05, 0.1, 0.2)),
        Sweep(
            "uneven", "input_uneven", "Density at one end over the other", (1.0, 3.0, 10.0, 20.0)
        ),
        Sweep(
            "cameras",
            "input_cameras",
            "Depth cameras (0: seen all around, or by all of depth_seq)",
            (0, 1, 2, 4),
        ),
        Sweep(
            "step", "frame_step", "Frames of the clip per frame", (1, 2, 4), True, of_clouds=False
        ),
        Sweep("length", "num_frames", "Frames of a window", (5, 9, 17, 33), True, of_clouds=False),
    )
}


def parse_sweeps(texts: Sequence[str]) -> list[Sweep]:
    """Parse several sweeps, each as `parse_sweep` does.

    Raises:
        UserError: If a sweep is given twice, where its values should be listed at once.
    """
    sweeps = [parse_sweep(text) for text in texts]
    names = [sweep.name for sweep in sweeps]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UserError(f"sweep {twice} is given twice; list its values at once: {twice}=1,2")
    return sweeps


def parse_sweep(text: str) -> Sweep:
    """Parse the name of a sweep, such as noise, or a name with values: noise=0,0.05.

    Raises:
        UserError: If there is no such sweep, or a value is no number.
    """
    name, equals, listed = text.partition("=")
    if name not in SWEEPS:
        raise UserError(f"no sweep '{name}'; choose from: {', '.join(SWEEPS)}")
    sweep = SWEEPS[name]
    if not equals:
        return sweep
    number = type(sweep.values[0])
    try:
        values = tuple(sorted({number(value) for value in listed.split(",")}))
    except ValueError as error:
        raise UserError(f"sweep {text}: values must be numbers, such as {name}=1,2") from error
    return replace(sweep, values=values)


def refuse_useless(sweeps: Sequence[Sweep], data: DataConfig, run: str) -> None:
    """Refuse sweeps that the model cannot see, whose curve would be flat, and impossible values.

    Raises:
        UserError: If so; the message names the run and the sweeps that fit it, or the value.
    """
    for sweep in sweeps:
        for value in sweep.values:
            changed = sweep.changed(data, value)
            try:
                check_clouds(changed)
            except ValueError as error:
                raise UserError(f"sweep {sweep.name}: {error}") from error
    useless = [sweep.name for sweep in sweeps if sweep.of_clouds and data.input != "pointcloud"]
    if data.input is None:
        raise UserError(f"{run} observes nothing, so no sweep applies to it; leave it out")
    if useless:
        fitting = " ".join(sweep.name for sweep in SWEEPS.values() if not sweep.of_clouds)
        raise UserError(
            f"{run} observes {data.input}, which no sweep of {', '.join(useless)} changes; "
            f"use --sweeps {fitting}"
        )
