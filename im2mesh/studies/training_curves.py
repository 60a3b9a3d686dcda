"""What runs logged while they were trained, as curves in one picture."""

from collections.abc import Mapping
from pathlib import Path

from im2mesh.evaluation.plots import save_figure
from im2mesh.runs.checkpoints import load_checkpoint
from im2mesh.runs.folder import RunFolder
from im2mesh.runs.logs import read_curve
from im2mesh.runs.origins import list_origins, tell_training


def plot_training(runs: Mapping[str, Path], tag: str, path: Path) -> None:
    """Plot what runs logged under a tag, over their iterations.

    Args:
        runs: Name to show -> output folder of a run.
        tag: Name of the curve, as in TensorBoard.
        path: Path of the picture, .png.

    Raises:
        UserError: If a run has no such curve, or the picture would replace one of somebody else.
    """
    # slow to import
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for name, run in runs.items():
        curve = read_curve(RunFolder(run), tag)
        axes.plot(list(curve), list(curve.values()), lw=2, marker="o", ms=3, label=name)
    axes.set(xlabel="iteration", title=tag)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    origins = {name: read_training_origin(run) for name, run in runs.items()}
    save_figure(figure, path, list_origins(origins))


def read_training_origin(run: Path) -> str | None:
    """The origin of a training, as its checkpoint tells it; None if no checkpoint is saved yet."""
    file = RunFolder(run).checkpoint
    if not file.is_file():
        return None
    return tell_training(load_checkpoint(file).state.origins)
