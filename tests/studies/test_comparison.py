"""Runs with known numbers: what is compared, what is refused, and what the tables say of it."""

import csv
import json
import math
from unittest.mock import Mock

import numpy as np
import pytest
import yaml
from PIL import Image

from im2mesh.config.files import flatten
from im2mesh.config.schema import Config
from im2mesh.errors import UserError
from im2mesh.evaluation import report as reporting
from im2mesh.evaluation.records import Record, read_table, write_records
from im2mesh.evaluation.report import is_reported, write_report
from im2mesh.files.atomic import write_json
from im2mesh.files.written import NOTE
from im2mesh.runs.folder import SUMMARY_FILE, RunFolder
from im2mesh.runs.origins import ResultOrigin
from im2mesh.runs.provenance import Provenance
from im2mesh.studies.comparison.report import (
    best_methods,
    format_comparisons,
    notes,
    plot_methods,
    write_comparison,
)
from im2mesh.studies.comparison.result import DATA_FINGERPRINT, read_result
from im2mesh.studies.comparison.runs import MUST_AGREE, TOLD, compare
from im2mesh.studies.comparison.seeds import is_evaluated
from im2mesh.studies.names import name_runs
from scripts import compare as script

SETTINGS = {
    "data": {"root": "data/balls", "num_frames": 3},
    "evaluation": {"num_samples": 500, "seed": 0, "project_to_final_mesh": False},
}
ALL = ("iou", "chamfer_l1", "correspondence_l2", "empty")


def write_run(
    path,
    level,
    *,
    split="test",
    starts=(0, 4),
    frames=range(3),
    metrics=ALL,
    seconds=None,
    origin=None,
    **other,
):
    """An evaluated run: every metric is level + 0.1 * window + 0.01 * frame; nothing is empty."""
    run = RunFolder(path)
    records = [
        Record("balls", "drift", start, frame, metric,
               0.0 if metric == "empty" else level + 0.1 * index + 0.01 * frame)
        for metric in metrics
        for index, start in enumerate(starts)
        for frame in frames
    ]  # fmt: skip
    write_records(run.evaluation_records(split), records, "" if origin is None else origin.id)
    if origin is not None:
        noted = {"origin": {"id": origin.id, **origin.as_dict()}}
        write_json(run.evaluation(split) / SUMMARY_FILE, noted)
    settings = {name: section | other.get(name, {}) for name, section in SETTINGS.items()}
    (run.evaluation(split) / "config.yaml").write_text(yaml.safe_dump(settings))
    for start in starts if seconds is not None else ():
        write_costs(path, start, {"seconds": {"flow": seconds, "write": 1.0}, "nfe": 20 + start})
    return path


def origin_of(data="d", meshes_by=()):
    return ResultOrigin(Provenance("1.0", "c", data, 7, {"torch": "2"}), list(meshes_by))


def made_by(run):
    """As generate.py notes it in window.json, as far as it is read here."""
    return {"run": run, "code": "1.0", "config": "c", "dataset": "d", "seed": 7}


def write_costs(path, start, content, split="test"):
    folder = RunFolder(path).generation(split) / f"balls/drift/{start:05d}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "window.json").write_text(json.dumps({"status": "ok", **content}))


def runs_of(*paths):
    return name_runs(list(paths))


def cells(text, name):
    """Heading -> cell of the row of a method, from a Markdown table."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    split = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    row = next(cells for cells in split if cells[0] == name)
    return dict(zip(split[0], row, strict=True))


@pytest.fixture
def two(tmp_path):
    """The first has the better IoU, the second the better distances."""
    first = write_run(tmp_path / "oflow", 0.5, seconds=2.0)
    second = write_run(tmp_path / "onet4d", 0.4, seconds=0.5)
    return first, second


def test_means_are_over_frames_then_windows(two):
    comparison = compare(runs_of(*two), "test")
    oflow = comparison.methods[0].summary
    assert oflow["iou"].mean == pytest.approx(0.5 + 0.05 + 0.01)
    assert oflow["iou"].std == pytest.approx(0.05)
    assert oflow["correspondence_l2_last"].mean == pytest.approx(0.5 + 0.05 + 0.02)
    assert oflow["seconds"].mean == pytest.approx(3.0) and oflow["nfe"].mean == 22
    assert comparison.num_windows == 2 and comparison.gaps == ()


def test_the_best_is_bold_whichever_way_is_better(two):
    text = format_comparisons([compare(runs_of(*two), "test")], markdown=True)
    oflow, onet = cells(text, "oflow"), cells(text, "onet4d")
    assert (oflow["IoU"], onet["IoU"]) == ("**0.560** (0.050)", "0.460 (0.050)")
    assert oflow["Chamfer-L1 [length]"] == "0.5600 (0.0500)"
    assert onet["Chamfer-L1 [length]"] == "**0.4600** (0.0500)"
    assert onet["Time [s]"] == "**1.50** (0.00)"
    assert oflow["NFE"] == onet["NFE"] == "22 (2)"  # neither is better
    assert "Empty" not in oflow and "No mesh of any method is empty." in text
    assert "[length] is not squared, [length^2] is" in text
    assert "Times come from the machines that generated the meshes" in text


def test_what_prints_the_same_is_best_together(tmp_path):
    paths = [write_run(tmp_path / name, level) for name, level in (("a", 0.5), ("b", 0.50001))]
    comparison = compare(runs_of(*paths), "test")
    assert best_methods(comparison, "iou") == {"a", "b"}
    assert best_methods(compare(runs_of(paths[0]), "test"), "iou") == set()  # best of one


def test_terminal_tables_align_and_go_on_below(two):
    comparison = compare(runs_of(*two), "test")
    lines = format_comparisons([comparison]).splitlines()
    at = lines.index("test (windows: 2)") + 2
    assert lines[at + 2].index("0.560") == lines[at + 3].index("0.460") == lines[at].index("IoU")
    assert "0.560 (0.050) *" in lines[at + 2] and "**" not in "".join(lines)
    narrow = format_comparisons([comparison], width=60).splitlines()
    tables = [line for line in narrow if line.startswith(("method", "oflow", "onet4d"))]
    assert len(tables) > 3 and max(map(len, tables)) <= 60
    assert sum(line.count("Time [s]") for line in tables) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"starts": (0, 8)}, r"only in the first: balls/drift/00004; only in the second: .*/00008"),
        ({"starts": (0,)}, r"different windows, 2 and 1; only in the first: .*eval_stride"),
        ({"evaluation": {"num_samples": 9}}, r"evaluation\.num_samples 500 and 9; run eval\.py"),
        ({"evaluation": {"seed": 1}}, r"evaluation\.seed 0 and 1"),
        ({"data": {"num_frames": 5}}, r"data\.num_frames 3 and 5"),
        ({"data": {"frame_step": 2}}, r"data\.frame_step 1 and 2"),  # not set is 1
    ],
)
def test_runs_measured_differently_are_refused(tmp_path, change, message):
    first, second = write_run(tmp_path / "a", 0.5), write_run(tmp_path / "b", 0.5, **change)
    with pytest.raises(UserError, match=rf"{first} and {second}, split 'test': .*{message}"):
        compare(runs_of(first, second), "test")


def test_settings_that_are_compared_exist():
    known = dict(flatten(Config(output_dir="x").model_dump(), ""))
    assert {*MUST_AGREE, *TOLD} - {DATA_FINGERPRINT} <= known.keys()


def test_origins_are_told_and_other_data_are(two, tmp_path):
    origins = [origin_of(data) for data in "ab"]
    for path, origin in zip(two, origins, strict=True):
        write_run(path, 0.5, origin=origin)
    comparison = compare(runs_of(*two), "test")
    assert "the data's fingerprint differs: oflow a, onet4d b" in "\n".join(notes(comparison))
    write_comparison(tmp_path, [comparison])
    lines = (tmp_path / "comparison.csv").read_text().splitlines()[1:]
    assert {line.rsplit(",", 1)[1] for line in lines} == {origin.id for origin in origins}
    text = (tmp_path / "comparison.md").read_text()
    assert f"test:\n\n- oflow: {origins[0]}\n- onet4d: {origins[1]}\n" in text
    assert "seed 7; torch 2" in Image.open(tmp_path / "test_iou.png").text["Source"]


def test_a_broken_origin_is_told(two):
    summary = RunFolder(two[0]).evaluation("test") / "summary.json"
    evaluated_by = origin_of().as_dict()["evaluated_by"]
    other = {"evaluated_by": evaluated_by, "meshes_by": [{"run": "r"}]}
    for content in (
        f'{{"origin": {json.dumps(other)}}}',
        '{"origin": {"id": "x"}}',
        '{"origin": 7}',
        "[]",
        "{",
    ):
        summary.write_text(content)
        with pytest.raises(UserError, match=r"summary\.json is broken; run eval\.py again"):
            compare(runs_of(*two), "test")


def test_costs_of_meshes_that_were_not_evaluated_are_refused(tmp_path):
    path = write_run(tmp_path / "oflow", 0.5, origin=origin_of(meshes_by=[made_by("first")]))
    write_costs(path, 0, {"nfe": 16, "made_by": made_by("first")})
    result = read_result("oflow", path, "test")
    assert result.summary["nfe"].mean == 16
    for note in ({"made_by": made_by("second")}, {}):
        write_costs(path, 0, {"nfe": 80, **note})
        anew = r"balls/drift/00000 were made anew after the evaluation; run eval\.py again"
        with pytest.raises(UserError, match=anew):
            read_result("oflow", path, "test")


def test_an_interrupted_report_leaves_the_earlier_one(two, monkeypatch):
    run = RunFolder(write_run(two[0], 0.5, origin=origin_of("old")))
    folder, new = run.evaluation("test"), origin_of("new")
    old_summary = (folder / SUMMARY_FILE).read_bytes()
    records, _ = read_table(run.evaluation_records("test"))
    with monkeypatch.context() as killing, pytest.raises(KeyboardInterrupt):
        killing.setattr(reporting, "plot_over_time", Mock(side_effect=KeyboardInterrupt))
        write_report(folder, "test", records, new)
    assert is_reported(folder, origin_of("old")) and not is_reported(folder, new)
    assert (folder / SUMMARY_FILE).read_bytes() == old_summary
    assert is_evaluated(run, "test")


def test_records_of_another_evaluation_are_refused_until_it_runs_again(two):
    run = RunFolder(write_run(two[0], 0.5, origin=origin_of("old")))
    folder, new = run.evaluation("test"), origin_of("new")
    old_summary = (folder / SUMMARY_FILE).read_bytes()
    records, _ = read_table(run.evaluation_records("test"))
    write_records(run.evaluation_records("test"), records, new.id)
    refusal = rf"{folder} were written by an evaluation that was interrupted; run eval\.py again"
    for summary in (None, old_summary):  # versions before removed it first, or wrote it over
        (folder / SUMMARY_FILE).unlink(missing_ok=True)
        if summary is not None:
            (folder / SUMMARY_FILE).write_bytes(summary)
        with pytest.raises(UserError, match=refusal):
            compare(runs_of(*two), "test")
    write_report(folder, "test", records, new)
    assert compare(runs_of(*two), "test").origins["oflow"] == new
    assert is_evaluated(run, "test")


def test_other_settings_are_told(two, tmp_path):
    third = write_run(tmp_path / "c", 0.5, evaluation={"project_to_final_mesh": True})
    told = list(notes(compare(runs_of(*two, third), "test")))
    assert (
        "evaluation.project_to_final_mesh differs: oflow False, onet4d False, c True; numbers that "
        "depend on it do not compare"
    ) in told


def test_missing_metrics_and_times_are_dashes(two, tmp_path):
    points = write_run(tmp_path / "psgn", 0.1, metrics=("chamfer_l1", "correspondence_l2"))
    comparison = compare(runs_of(*two, points), "test")
    row = cells(format_comparisons([comparison], markdown=True), "psgn")
    assert row["IoU"] == row["Time [s]"] == row["NFE"] == "-"
    assert row["Corr. last [length]"] == "**0.1700** (0.0500)"
    assert comparison.gaps == ()


def test_fewer_frames_are_told_and_never_best(two, tmp_path):
    ends = write_run(tmp_path / "ends", 0.1, frames=(0, 2))
    comparison = compare(runs_of(*two, ends), "test")
    assert [(gap.method, gap.what) for gap in comparison.gaps] == [("ends", "frames 0, 2 of 0-2")]
    text = format_comparisons([comparison], markdown=True)
    row = cells(text, "ends")
    assert row["Chamfer-L1 [length]"] == "0.1600 (0.0500) [1]"
    assert row["Corr. last [length]"] == "**0.1700** (0.0500)"  # the same frame for all
    assert cells(text, "onet4d")["Chamfer-L1 [length]"] == "**0.4600** (0.0500)"
    assert "- [1] ends: only frames 0, 2 of 0-2, in IoU, Chamfer-L1, Corr.\n" in text
    assert "do not compare" in text


def test_fewer_windows_are_told(two, tmp_path):
    path = write_run(tmp_path / "part", 0.1)
    write_costs(path, 4, {"seconds": {"flow": 1.0}, "nfe": None})
    file = RunFolder(path).evaluation_records("test")
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(line for line in lines if ",4," not in line or "iou" not in line))
    comparison = compare(runs_of(*two, path), "test")
    assert {gap.metrics: gap.what for gap in comparison.gaps} == {
        ("iou", "seconds"): "1 of 2 windows"
    }
    assert comparison.partial() == {}
    alone = compare(runs_of(path), "test")
    assert alone.gaps == () and alone.partial() == {"iou": 1, "seconds": 1}
    assert "IoU: measured in only 1 of the 2 windows, by all methods together" in list(notes(alone))


def test_names_are_relative_to_the_common_folder(tmp_path):
    assert list(runs_of(tmp_path / "a/x", tmp_path / "b/x")) == ["a/x", "b/x"]
    assert list(runs_of(tmp_path / "a/x", tmp_path / "a/y")) == ["x", "y"]
    assert list(runs_of(tmp_path / "a", tmp_path / "a/y")) == ["a", "a/y"]
    assert list(runs_of(tmp_path / "a")) == ["a"]
    with pytest.raises(UserError, match=r"the run .*a is given twice"):
        runs_of(tmp_path / "a", tmp_path / "b/../a")
    with pytest.raises(UserError, match="the name x is given twice"):
        name_runs([tmp_path / "a", tmp_path / "b"], ["x", "x"])
    with pytest.raises(UserError, match="1 names for 2 runs"):
        name_runs([tmp_path / "a", tmp_path / "b"], ["x"])


def test_plots_have_one_line_per_method(two, tmp_path):
    points = write_run(tmp_path / "psgn", 0.1, metrics=("chamfer_l1",))
    comparison = compare(runs_of(*two, points), "test")

    def colours_of(metric):
        plot_methods(comparison, metric, tmp_path / "plot.png")
        pixels = np.asarray(Image.open(tmp_path / "plot.png").convert("RGB")).reshape(-1, 3)
        expected = {"blue": (0, 114, 178), "red": (213, 94, 0), "green": (0, 158, 115)}
        return {name for name, rgb in expected.items() if (pixels == rgb).all(1).sum() > 100}

    assert colours_of("chamfer_l1") == {"blue", "red", "green"}
    assert colours_of("iou") == {"blue", "red"}


def test_script_writes_tables_and_plots_of_the_common_splits(two, tmp_path, capsys):
    write_run(two[0], 0.3, split="test_new_individual")
    write_run(two[1], 0.2, split="test_new_individual", starts=(0, 4))
    write_run(two[0], 0.3, split="val")
    output = tmp_path / "out"
    script.main([*map(str, two), "--output", str(output), "--names", "flow", "net"])
    printed = capsys.readouterr().out
    assert "test (windows: 2)" in printed and "test_new_individual (windows: 2)" in printed
    assert "val (" not in printed and str(output) in printed
    metrics = ("iou", "chamfer_l1", "correspondence_l2")
    plots = {f"{s}_{m}.png" for s in ("test", "test_new_individual") for m in metrics}
    files = {path.name for path in output.iterdir() if path.name != NOTE}
    assert files == plots | {"comparison.md", "comparison.csv"}
    with (output / "comparison.csv").open() as file:
        rows = {(r["split"], r["method"], r["metric"]): r for r in csv.DictReader(file)}
    assert math.isclose(float(rows["test", "flow", "iou"]["mean"]), 0.56)
    assert float(rows["test", "net", "seconds"]["mean"]) == 1.5
    assert rows["test_new_individual", "net", "empty"]["num_windows"] == "2"
    assert "## test_new_individual" in (output / "comparison.md").read_text()


def test_missing_evaluations_are_named_with_the_command(two, tmp_path):
    with pytest.raises(UserError, match=rf"{two[0]}: .*python eval\.py CONFIG --split val"):
        script.main([*map(str, two), "--splits", "val", "--output", str(tmp_path / "out")])
    RunFolder(two[0]).config.write_text("output_dir: x\n")
    with pytest.raises(UserError, match=rf"python eval\.py {two[0]}/config\.yaml --split val"):
        compare(runs_of(*two), "val")
    other = write_run(tmp_path / "other", 0.1, split="val")
    with pytest.raises(UserError, match=r"no split was evaluated for all runs: .*other has val"):
        script.main([str(two[0]), str(other)])
    with pytest.raises(UserError, match=r"no folder .*nowhere; give the output folders"):
        script.main([str(tmp_path / "nowhere")])


def test_broken_files_are_named(two):
    costs = RunFolder(two[0]).generation("test") / "balls/drift/00000/window.json"
    costs.write_text("{")
    with pytest.raises(
        UserError, match=r"window\.json is broken .*; delete it and run generate\.py"
    ):
        compare(runs_of(*two), "test")
    (RunFolder(two[0]).evaluation("test") / "config.yaml").write_text("a: 1\n")
    with pytest.raises(UserError, match=r"config\.yaml lacks data\.num_frames; run `python eval"):
        compare(runs_of(*two), "test")
    (RunFolder(two[0]).evaluation("test") / "config.yaml").unlink()
    with pytest.raises(UserError, match=r"no .*config\.yaml; run `python eval\.py"):
        compare(runs_of(*two), "test")
