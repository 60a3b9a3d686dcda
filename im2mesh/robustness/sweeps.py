"""Which setting of the data is changed, and to what."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from im2mesh.config import DataConfig
from im2mesh.errors import UserError


@dataclass(frozen=True)
class Sweep:
    """One setting of section `data` at several values, all else as the run has it.

    Attributes:
        name: As on the command line.
        key: Of section data.
        title: In words, with its unit.
        values: In the order of the plot.
        is_log: Whether values are spread over a logarithmic axis, from the smallest above 0.
        of_clouds: Whether it changes what is seen of a cloud, so that models of images have no use
            for it.
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
            "step", "frame_step", "Frames of the clip per frame", (1, 2, 4), True, of_clouds=False
        ),
        Sweep("length", "num_frames", "Frames of a window", (5, 9, 17, 33), True, of_clouds=False),
    )
}


def parse_sweeps(texts: Sequence[str]) -> list[Sweep]:
    """Several sweeps, as of `parse_sweep`.

    Raises:
        UserError: If one comes twice; values are listed with one name.
    """
    sweeps = [parse_sweep(text) for text in texts]
    names = [sweep.name for sweep in sweeps]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UserError(f"sweep {twice} is given twice; list its values at once: {twice}=1,2")
    return sweeps


def parse_sweep(text: str) -> Sweep:
    """A sweep by its name, such as noise, or with values of its own: noise=0,0.05.

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
    """Refuse to draw a flat line for a model that cannot see what is changed, and values that no
    configuration can have.

    Raises:
        UserError: Naming the run and the sweeps that say something of it, or the value.
    """
    for sweep in sweeps:
        for value in sweep.values:
            sweep.changed(data, value)
    useless = [sweep.name for sweep in sweeps if sweep.of_clouds and data.input != "pointcloud"]
    if data.input is None:
        raise UserError(f"{run} observes nothing, so no sweep says anything of it; leave it out")
    if useless:
        fitting = " ".join(sweep.name for sweep in SWEEPS.values() if not sweep.of_clouds)
        raise UserError(
            f"{run} observes {data.input}, which {', '.join(useless)} do not change; "
            f"use --sweeps {fitting}"
        )
