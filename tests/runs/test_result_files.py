"""Tables and pictures are replaced as a whole: a kill never leaves half of one under its name."""

import ast
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks.growth import plot_growth, plot_memory
from benchmarks.soak.report import plot as plot_soak
from im2mesh.config.schema import DataConfig
from im2mesh.evaluation.report import write_report
from im2mesh.studies import window_study
from im2mesh.studies.comparison.report import write_comparison
from im2mesh.studies.comparison.runs import compare
from im2mesh.studies.comparison.seeds import write_summary
from im2mesh.studies.robustness.report import write_study
from im2mesh.studies.robustness.study import Number, Study
from im2mesh.studies.robustness.sweeps import parse_sweep
from im2mesh.studies.window_study import WindowStudy
from im2mesh.visualization.contact_sheet import draw_contact_sheet
from im2mesh.visualization.panel import Panel
from tests.benchmarks.test_soak import findings
from tests.evaluation.test_evaluation import some_records
from tests.studies.test_comparison import origin_of, runs_of, write_run
from tests.visualization.test_visualization import as_meshes, drift


def report(folder):
    write_report(folder, "test", some_records(), origin_of())


def comparison(folder):
    run = write_run(folder.parent / "run", 0.5)
    write_comparison(folder, [compare(runs_of(run), "test")])


def seeds(folder):
    run = write_run(folder.parent / "run", 0.5)
    write_summary(folder, "Seeds", {"paper": {0: run}}, ["test"])


def robustness(folder):
    study = Study([parse_sweep("length=5,9")], {"a": {"run": DataConfig()}}, {"run": origin_of()})
    number = Number("a", "run", "length", 5, "window", "iou_0", 0.5)
    study.numbers["a", "length", 5, "iou_0"].append(number)
    write_study(folder, study)


def motion(folder):
    study = WindowStudy("motion", origins={"run": origin_of()})
    study.runs["a"].append("run")
    study.numbers["a", "volume"].append(("run", "window", 0.5))
    window_study.write_study(folder, study)


def soak(folder):
    plot_soak(folder / "memory.png", findings())


def benchmarks(folder):
    found = {"median": 1.0, "peak_memory": 1e9}
    bench = SimpleNamespace(device="cpu", measure=lambda *_args, **_options: found)
    plot_growth(bench, folder / "growth.png", "origin")
    plot_memory(bench, folder / "memory.png", "origin")


def sheet(folder):
    pytest.importorskip("pyvista")
    panel = Panel("a ball", as_meshes(drift()))
    draw_contact_sheet([panel], folder / "sheet.png", num_columns=2, cell_height=60)


WRITERS = (report, comparison, seeds, robustness, motion, soak, benchmarks, sheet)


@pytest.mark.parametrize("write", WRITERS)
def test_files_are_replaced_and_never_written_over(write, tmp_path):
    folder = tmp_path / "results"
    write(folder)
    before = inodes(folder)
    write(folder)
    after = inodes(folder)
    assert before and before.keys() == after.keys()
    assert [name for name in before if before[name] == after[name]] == []


def inodes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_ino for path in folder.iterdir() if path.is_file()}


def test_plots_and_tables_have_one_way_into_a_file():
    """A new script cannot write them in place, either."""
    found = {
        (node.attr, path.as_posix())
        for folder in ("im2mesh", "scripts", "benchmarks")
        for path in Path(folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in ("savefig", "writer")
    }
    assert found == {
        ("savefig", "im2mesh/evaluation/plots.py"),
        ("writer", "im2mesh/files/atomic.py"),
    }
