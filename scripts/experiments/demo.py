"""Reconstruct held-out windows with the weights that ship; or, with --train, train a model first.

Makes bodies, generates and evaluates meshes, films one, and writes a page on which they move, as
scripts/demo.sh does: out/demo/report.html, or out/demo-train/report.html.
"""

import json
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from im2mesh.build import build_config
from im2mesh.command_line import docstring_parser, exit_status
from im2mesh.config.validation import dump_config
from im2mesh.errors import UserError
from im2mesh.evaluation.report import read_report
from im2mesh.evaluation.summary import SummaryRow, summarize
from im2mesh.evaluation.tables import format_table, summary_note
from im2mesh.files.atomic import write_json, write_text
from im2mesh.machine.cores import available_cores, processor_name
from im2mesh.runs.folder import PAGE_FILE, RunFolder
from im2mesh.runs.origins import ResultOrigin, list_origins
from im2mesh.runs.provenance import package_versions
from im2mesh.studies.report import Evaluated, evaluation_page, write_page
from im2mesh.training.outlook import ROUGH_IOU

SPLITS = {"test": "seen bodies, unseen motions", "test_new_individual": "unseen body"}
FILMED = "test_new_individual"
TITLE = "Occupancy Flow: bodies from clouds of points"
TABLE = "table.md"
WORKERS = ["--workers", "2"]
REPORTED = ("iou", "chamfer_l1", "correspondence_l2", "correspondence_l2_last")


@dataclass(frozen=True)
class Demo:
    """One of the two demos.

    Attributes:
        config: Configuration, whose data are made in its data.root.
        bodies: Arguments of make_bodies.py.
        out: Folder for the page, the table and the video.
        weights: Name of weights that ship; None if the model is trained first.
    """

    config: str
    bodies: tuple[str, ...]
    out: Path
    weights: str | None

    @property
    def summary(self) -> Path:
        """Written last."""
        return self.out / "summary.json"

    @property
    def page(self) -> Path:
        return self.out / PAGE_FILE

    @property
    def video(self) -> Path:
        """The median window of the body that is new, in motion."""
        return self.out / "median.webp"

    @property
    def seconds(self) -> Path:
        return self.out / "seconds.json"


SHIPPED = Demo("configs/demo.yaml", ("--benchmark", "sample"), Path("out/demo"), "local")
TRAINED = Demo(
    "configs/demo_train.yaml",
    (
        "--bodies", "10", "--frames", "28", "--meshes", "held-out", "--surface-points", "4000",
        "--occupancy-points", "20000", "--near-surface-points", "4000",
    ),
    Path("out/demo-train"),
    None,
)  # fmt: skip


def main(arguments: Sequence[str]) -> None:
    parser = docstring_parser(__doc__, "python -m scripts.experiments.demo")
    parser.add_argument("--train", action="store_true", help="train a small model from nothing")
    demo = TRAINED if parser.parse_args(arguments).train else SHIPPED
    if demo.summary.exists():
        print(f"the demo has run: see {demo.page}; to run it again, remove {demo.out}\n")
        print((demo.out / TABLE).read_text())
        refuse_rough_bodies(json.loads(demo.summary.read_text()))
        return
    make_meshes(demo)
    summary = summarize_demo(demo)
    print(f"{summary['seconds']['total']:.0f} s in all; see {demo.page}")
    refuse_rough_bodies(summary)


def make_meshes(demo: Demo) -> None:
    """Bodies, meshes, their numbers and a video; the model is trained if need be."""
    config = build_config(demo.config)
    root = config.data.root
    run(demo, "bodies", ["scripts/make_bodies.py", root, *demo.bodies, *WORKERS])
    if demo.weights is None:
        run(demo, "train", ["train.py", demo.config])
    weights = [] if demo.weights is None else ["--weights", demo.weights]
    for split in SPLITS:
        run(demo, "generate", ["generate.py", demo.config, "--split", split, *weights])
        run(demo, "evaluate", ["eval.py", demo.config, "--split", split, *WORKERS])
    video = ["--split", FILMED, "--arrows", *weights, "--height", "300"]
    film = ["scripts/draw.py", "video", config.output_dir, "median", *video]
    run(demo, "video", [*film, "--output", str(demo.video)])


def summarize_demo(demo: Demo) -> dict[str, Any]:
    """Print the table, and write it, the page and the summary."""
    folder = RunFolder.of(build_config(demo.config))
    reports = {split: read_report(folder.evaluation(split)) for split in SPLITS}
    summaries = {split: summarize(records) for split, (records, _) in reports.items()}
    origins = {split: origin for split, (_, origin) in reports.items()}
    table = format_table(summaries, markdown=True)
    write_text(demo.out / TABLE, f"{table}\n{list_origins(origins)}")
    print("\n" + format_table(summaries))
    summary = demo_summary(demo, summaries, origins)
    write_demo_page(demo, summaries, summary)
    write_json(demo.summary, summary)
    return summary


def write_demo_page(
    demo: Demo, summaries: dict[str, list[SummaryRow]], summary: dict[str, Any]
) -> None:
    """The numbers, curves and windows of both splits, and pictures of how training went on."""
    took, on = summary["seconds"]["total"], summary["machine"]
    config = build_config(demo.config)
    run_folder = RunFolder.of(config)
    columns = {
        f"{what} ({split})": Evaluated.read(config, run_folder, split)
        for split, what in SPLITS.items()
    }
    named = {name: summaries[split] for name, split in zip(columns, SPLITS, strict=True)}
    pictures = {
        f"After {int(path.stem)} steps of training": path
        for path in sorted(run_folder.pictures.glob("*.png"))
    }
    note = f"{summary_note(named)}\n{took:.0f} s on {on['processor']}, {on['cores']} cores."
    note += f"\nThe median window of {FILMED} as a moving picture: {demo.video.name}."
    page = evaluation_page(
        TITLE, columns, note=note, pictures=pictures, settings={"Settings": dump_config(config)}
    )
    for text in write_page(demo.out, page):
        print(f"note: {text}")


def refuse_rough_bodies(summary: dict[str, Any]) -> None:
    """End with an error if the bodies have no limbs: then the demo shows nothing.

    Raises:
        UserError: With the IoU of the splits that are too rough.
    """
    rough = [
        f"{split['iou']:.2f} for {split['what']}"
        for split in summary["splits"].values()
        if split["iou"] < ROUGH_IOU
    ]
    if rough:
        raise UserError(
            f"the demo ran to its end, but its bodies are rough: the IoU is {', '.join(rough)}, "
            f"where {ROUGH_IOU} is the least for arms and legs; see the output of its training"
        )


def run(demo: Demo, stage: str, arguments: list[str]) -> None:
    """Run one script of this repository, and add its time to that of its stage."""
    print(f"\n$ python {' '.join(arguments)}", flush=True)
    started = time.monotonic()
    status = subprocess.run([sys.executable, *arguments], check=False).returncode
    seconds = stage_seconds(demo)
    seconds[stage] = round(seconds.get(stage, 0.0) + time.monotonic() - started, 1)
    write_json(demo.seconds, seconds)
    if status:
        raise UserError(f"{arguments[0]} ended with status {status}; start the demo again to go on")


def stage_seconds(demo: Demo) -> dict[str, float]:
    """Seconds of each stage so far, those of interrupted runs included."""
    return json.loads(demo.seconds.read_text()) if demo.seconds.exists() else {}


def demo_summary(
    demo: Demo, summaries: dict[str, list[SummaryRow]], origins: dict[str, ResultOrigin | None]
) -> dict[str, Any]:
    seconds = stage_seconds(demo)
    return {
        "seconds": {**seconds, "total": round(sum(seconds.values()), 1)},
        "splits": {split: split_summary(split, rows) for split, rows in summaries.items()},
        "machine": machine(),
        "versions": package_versions(),
        "origins": {split: origin and origin.as_dict() for split, origin in origins.items()},
    }


def split_summary(split: str, rows: list[SummaryRow]) -> dict[str, str | float | int]:
    means = {row.metric: row for row in rows}
    return {
        "what": SPLITS[split],
        "windows": means["iou"].num_windows,
        **{metric: round(means[metric].mean, 5) for metric in REPORTED},
    }


def machine() -> dict[str, str | int]:
    return {
        "system": platform.platform(),
        "processor": processor_name(),
        "cores": available_cores(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
    }


if __name__ == "__main__":
    sys.exit(exit_status(main))
