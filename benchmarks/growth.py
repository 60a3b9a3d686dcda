"""How time and memory grow with what a user may change: plots."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from benchmarks.processes import Bench
from im2mesh.evaluation.plots import save_figure

COLORS = ("#1f6fb2", "#d9730d", "#3a8f4d")


@dataclass(frozen=True)
class Axis:
    """A setting that a user may increase, and the values to measure.

    Attributes:
        label: Text under the plot.
        key: Key of the setting in the configuration.
        values: Values from small to large; one is the paper's.
        rows: Names of the rows of `ROWS` that are measured.
    """

    label: str
    key: str
    values: tuple[int, ...]
    rows: tuple[str, ...]


_STEPS = ("train oflow", "train oflow, fast", "train oflow, fast, bf16")
AXES = (
    Axis("labelled points at t = 0 and at t", "data.num_points", (128, 512, 2048), _STEPS),
    Axis("frames", "data.num_frames", (5, 9, 17, 33), _STEPS),
    Axis(
        "width of the velocity field",
        "model.velocity_field.hidden_size",
        (64, 128, 256, 512),
        _STEPS,
    ),
    Axis("batch", "training.batch_size", (4, 8, 16, 32), _STEPS),
    Axis(
        "cells per axis of the coarse grid (x 4)",
        "generation.resolution",
        (16, 32, 64),
        ("generate oflow", "generate oflow, fast", "generate local"),
    ),
)
SOLVER_STEPS = (4, 8, 16, 32)


def plot_growth(bench: Bench, path: Path, origin: str) -> None:
    """Plot seconds over each setting, both logarithmic: slope 1 means proportional growth."""
    figure = Figure(figsize=(15, 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, axis in zip(figure.subplots(1, len(AXES)), AXES, strict=True):
        for row, color in zip(axis.rows, COLORS, strict=True):
            found = [
                bench.measure(row, f"{axis.key}={value}", repeats=2)["median"]
                for value in axis.values
            ]
            axes.plot(axis.values, found, "o-", color=color, lw=2, ms=4, label=row)
            told = ", ".join(f"{seconds:.3g}" for seconds in found)
            print(f"{row} over {axis.key} {list(axis.values)}: {told} s", flush=True)
        _dress(axes, axis.label, axis.values)
    for axes in (figure.axes[0], figure.axes[-1]):  # plots between have the same rows as the first
        axes.legend(frameon=False, fontsize=8)
    figure.axes[0].set_ylabel("seconds")
    save_figure(figure, path, origin, dpi=120)


def plot_memory(bench: Bench, path: Path, origin: str) -> None:
    """Plot peak memory of a training step over solver steps, for adjoint and direct gradients."""
    key = "peak_memory" if bench.device == "cpu" else "peak_gpu_memory"
    figure = Figure(figsize=(5, 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for gradient, color in zip(("adjoint", "direct"), COLORS, strict=False):
        found = [
            bench.measure(
                "train oflow",
                "ode.method=rk4",
                f"ode.step_size={1 / steps}",
                f"ode.gradient={gradient}",
                repeats=1,
            )[key]
            / 1e9
            for steps in SOLVER_STEPS
        ]
        axes.plot(SOLVER_STEPS, found, "o-", color=color, lw=2, ms=4, label=gradient)
        told = ", ".join(f"{memory:.3g}" for memory in found)
        print(f"{gradient}, {list(SOLVER_STEPS)} steps: {told} GB", flush=True)
    _dress(axes, "steps of rk4", SOLVER_STEPS)
    axes.set_ylabel("peak memory, GB")
    axes.legend(frameon=False)
    save_figure(figure, path, origin, dpi=120)


def _dress(axes: Any, label: str, values: tuple[int, ...]) -> None:
    axes.set(xscale="log", yscale="log", xlabel=label)
    axes.set_xticks(values, [str(value) for value in values], minor=False)
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
