"""Plot what runs logged over their iterations, such as the validation IoU.

Example: python scripts/plot_training.py out/representation_power/oflow --tag validation/iou \\
             --output curve.png
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from im2mesh.checkpoints import load_checkpoint
from im2mesh.command_line import add_picture_output, exit_status
from im2mesh.comparison.runs import name_runs
from im2mesh.errors import UserError
from im2mesh.origins import list_origins, tell_training
from im2mesh.plots import save_figure
from im2mesh.run_folder import RunFolder


def main(arguments: Sequence[str]) -> None:
    args = _parse(arguments)
    figure = Figure(figsize=(6, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    runs = name_runs(args.runs, args.names)
    for name, run in runs.items():
        curve = read_curve(run, args.tag)
        axes.plot(list(curve), list(curve.values()), lw=2, marker="o", ms=3, label=name)
    axes.set(xlabel="iteration", title=args.tag)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    origins = {name: read_training_origin(run) for name, run in runs.items()}
    save_figure(figure, args.output, list_origins(origins))
    print(f"written to {args.output}")


def read_curve(run: Path, tag: str) -> dict[int, float]:
    """Iteration -> value, of everything that a run logged under a tag."""
    if not (run / "logs").is_dir():
        raise UserError(f"no logs at {run / 'logs'}; name the output folder of a training")
    events = EventAccumulator(str(run / "logs"), size_guidance={"scalars": 0})
    events.Reload()
    tags = events.Tags()["scalars"]
    if tag not in tags:
        raise UserError(f"{run / 'logs'} has no {tag}; it has: {', '.join(tags)}")
    return {event.step: event.value for event in events.Scalars(tag)}


def read_training_origin(run: Path) -> str | None:
    """What trained a run, as its checkpoint says; None before the first is saved."""
    file = RunFolder(run).checkpoint
    if not file.is_file():
        return None
    return tell_training(load_checkpoint(file).origins)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="output folders")
    parser.add_argument("--names", nargs="+", help="of the runs, in their order")
    parser.add_argument("--tag", default="validation/iou", help="as TensorBoard shows it")
    add_picture_output(parser)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(exit_status(main))
