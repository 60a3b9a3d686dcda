"""The rows of the table: what is timed, at which sizes, and how long the official code takes."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from benchmarks.workloads import (
    Timed,
    Workplace,
    evaluate_meshes,
    generate_window,
    load_samples,
    load_whole_files,
    train_step,
    write_meshes,
)


@dataclass(frozen=True)
class Row:
    """One thing that takes time.

    Attributes:
        sizes: Sizes of the work, in words for the table.
        prepare: Prepares everything and returns the function to be timed.
        official: Seconds of the official code (Niemeyer et al., 2019) at the same sizes, whole
            steps on two CPU cores of a shared machine; None where it was not measured.
        repeats: Number of runs that count, after one warm-up that does not.
    """

    sizes: str
    prepare: Callable[[Workplace], Timed]
    official: float | None = None
    repeats: int = 5


_BATCH = "batch 16, 17 x 300 points, 2 x 512 labelled"
_FOLLOWED = f"{_BATCH}, 17 x 100 followed"
_WINDOW = "129^3, 28.7k vertices, 17 frames"
_BF16 = ("training.precision=bf16",)


def _train(
    sizes: str,
    name: str,
    official: float | None,
    repeats: int = 5,
    overrides: tuple[str, ...] = (),
) -> Row:
    prepare = partial(train_step, name=name, overrides=overrides)
    return Row(sizes, prepare, official, repeats)


def _generate(name: str, official: float | None) -> Row:
    return Row(_WINDOW, partial(generate_window, name=name), official, repeats=3)


ROWS = {
    "train oflow": _train(_BATCH, "pointcloud/oflow", 10.6),
    "train oflow, fast": _train(_BATCH, "fast/oflow", 10.6),
    "train oflow, fast, bf16": _train(_BATCH, "fast/oflow", 10.6, overrides=_BF16),
    "train oflow_w_correspond": _train(
        _FOLLOWED, "pointcloud/oflow_w_correspond", 200.0, repeats=3
    ),
    "train oflow_w_correspond, fast": _train(_FOLLOWED, "fast/oflow_w_correspond", 200.0),
    "train oflow_w_correspond, fast, bf16": _train(
        _FOLLOWED, "fast/oflow_w_correspond", 200.0, overrides=_BF16
    ),
    "train local": _train(_FOLLOWED, "pointcloud/local", None),
    "train local_flow": _train(_FOLLOWED, "pointcloud/local_flow", None, repeats=2),
    "generate oflow": _generate("pointcloud/oflow", 8.1),
    "generate oflow, fast": _generate("fast/oflow", 8.1),
    "generate oflow_w_correspond": _generate("pointcloud/oflow_w_correspond", 45.8),
    "generate oflow_w_correspond, fast": _generate("fast/oflow_w_correspond", 45.8),
    "generate local": _generate("pointcloud/local", None),
    "generate local_flow": _generate("pointcloud/local_flow", None),
    "write 17 meshes": Row("28.7k vertices, coloured ply", write_meshes, 4.5),
    "evaluate 17 meshes": Row("100k samples a mesh, 2 processes", evaluate_meshes, 25.9, 3),
    "load 16 samples": Row("100k points a frame, one process", load_samples),
    "load 16 samples, whole files": Row("36 of the same files a sample", load_whole_files),
}
