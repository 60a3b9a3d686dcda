"""How long everything takes, where the time goes, and how it grows.

    python -m benchmarks                                    # everything, half an hour on a CPU
    python -m benchmarks --only table --rows 'train oflow' 'generate oflow'
    python -m benchmarks --only table --against ../other-checkout
    python -m benchmarks training.precision=tf32 --device cuda
    python -m benchmarks.accuracy out/pointcloud/oflow/model_best.pt    # what speed costs

Timings are told, never judged. Tables are printed and written to out/benchmarks/, with plots.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.growth import plot_growth, plot_memory
from benchmarks.machine import describe, measure_rates
from benchmarks.processes import HERE, Bench
from benchmarks.rows import ROWS
from benchmarks.stages import step_stages, window_stages
from benchmarks.table import markdown
from benchmarks.workloads import Workplace
from im2mesh.command_line import exit_status
from im2mesh.errors import UserError
from im2mesh.files.atomic import write_text
from im2mesh.machine.cores import available_cores
from im2mesh.machine.devices import build_device
from im2mesh.runs.provenance import software
from im2mesh.synthesis.clips import ClipSettings
from im2mesh.synthesis.dataset import make_dataset
from im2mesh.synthesis.plan import DatasetSettings

PARTS = ("table", "stages", "growth")
STAGES_OF_STEPS = (
    "pointcloud/oflow",
    "fast/oflow",
    "pointcloud/oflow_w_correspond",
    "fast/oflow_w_correspond",
)
STAGES_OF_WINDOWS = ("pointcloud/oflow", "pointcloud/oflow_w_correspond", "pointcloud/local")
DATA = DatasetSettings(
    bodies=5,
    motions=("running_on_spot", "punching", "hips", "jumping_jacks"),
    clip=ClipSettings(frames=50, surface_points=100_000, occupancy_points=100_000),
    meshes="held-out",
)


def main(arguments: Sequence[str]) -> None:
    args = _parse(arguments)
    data, out = args.out.resolve() / "data", args.out.resolve()
    make_dataset(data, DATA, workers=available_cores(), overwrite=False)
    device = build_device(args.device)
    bench = Bench(data, out, str(device), tuple(args.overrides))
    origin = f"Measured on {describe(device)}; {software()}."
    print(origin, flush=True)
    if "table" in args.only:
        _make_table(bench, args.rows, args.against, out / "table.md", origin)
    if "stages" in args.only:
        place = Workplace(data, out, device, tuple(args.overrides))
        _write(out / "stages.md", f"{_stages(place)}{origin}\n")
    if "growth" in args.only:
        plot_growth(bench, out / "growth.png", origin)
        plot_memory(bench, out / "memory.png", origin)


def _make_table(
    bench: Bench, rows: Sequence[str], against: Path | None, path: Path, origin: str
) -> None:
    """Measure and write row by row: nothing is lost if a later one fails."""
    table = {}
    for row in rows:
        found = bench.measure(row)
        table[row] = {
            "sizes": ROWS[row].sizes,
            "median s": found["median"],
            "min - max": f"{found['min']:.3g} - {found['max']:.3g} ({found['repeats']})",
            "NFE": found.get("nfe"),
            "peak memory GB": found["peak_memory"] / 1e9,
        }
        if found["peak_gpu_memory"] is not None:
            table[row]["peak GPU memory GB"] = found["peak_gpu_memory"] / 1e9
        official = ROWS[row].official
        if official is not None and bench.device == "cpu" and not bench.overrides:
            table[row]["official code / this"] = official / found["median"]
        if against is not None:
            table[row] |= _compare(bench, row, against.resolve(), found["median"])
        print(f"{row}: {found['median']:.3g} s", flush=True)
        write_text(path, f"{markdown(table)}\n{origin}\n")
    print(f"\n{markdown(table)}\nwritten to {path}", flush=True)


def _compare(bench: Bench, row: str, checkout: Path, seconds: float) -> dict[str, object]:
    """Columns that compare a row with another checkout; "failed" if it cannot be measured there."""
    try:
        there = bench.measure(row, checkout=checkout)["median"]
    except UserError as error:
        print(error, flush=True)
        return {f"{checkout.name} s": "failed"}
    return {f"{checkout.name} s": there, f"{checkout.name} / this": there / seconds}


def _stages(place: Workplace) -> str:
    rates = measure_rates(place.device)
    told = ", ".join(f"{name} {rate:.0f}" for name, rate in rates.gflops.items())
    text = f"Matrix products: {told} GFLOP/s; copies: {rates.gigabytes:.0f} GB/s\n\n"
    measured = {f"train {name}": step_stages(place, name) for name in STAGES_OF_STEPS}
    measured |= {f"generate {name}": window_stages(place, name) for name in STAGES_OF_WINDOWS}
    for name, stages in measured.items():
        rows = {
            stage: {
                "ms": 1e3 * cost.seconds,
                "GFLOP": cost.gflop,
                "GB": cost.gigabytes,
                "GFLOP/s": cost.gflop / cost.seconds,
                "of fp32 products": cost.gflop / cost.seconds / rates.gflops["fp32"],
            }
            for stage, cost in stages.items()
        }
        text += markdown(rows, name) + "\n"
    return text


def _write(path: Path, text: str) -> None:
    write_text(path, text)
    print(f"\n{text}\nwritten to {path}", flush=True)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("overrides", nargs="*", help="key=value, set in every configuration")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--rows", nargs="+", default=list(ROWS), metavar="ROW")
    parser.add_argument("--against", type=Path, metavar="PATH", help="checkout to compare with")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:0")
    parser.add_argument("--out", type=Path, default=HERE / "out" / "benchmarks")
    args = parser.parse_intermixed_args(arguments)
    unknown = [row for row in args.rows if row not in ROWS]
    if unknown:
        raise UserError(f"no row {', '.join(unknown)}; rows: {', '.join(ROWS)}")
    if args.against is not None and not (args.against / "im2mesh").is_dir():
        raise UserError(f"--against {args.against}: no checkout of this project is there")
    return args


if __name__ == "__main__":
    sys.exit(exit_status(main))
