"""All methods at equal steps: they keep to one protocol, and the summary has the numbers of known
runs."""

import csv
import math
from dataclasses import replace

import pytest

from im2mesh.build import build_config, build_model
from im2mesh.config.validation import dump_config
from im2mesh.errors import UserError
from im2mesh.runs.checkpoints import save_checkpoint
from im2mesh.runs.folder import RunFolder
from scripts.experiments import methods as study
from scripts.experiments.benchmark import check_protocol
from scripts.experiments.engine import is_trained, run_side_by_side, train_and_evaluate
from tests.small import empty_checkpoint
from tests.studies.test_comparison import cells, origin_of, write_run

OTHER_SPLIT = "test_new_individual"


@pytest.fixture
def out(tmp_path, monkeypatch):
    monkeypatch.setattr(study, "OUT", tmp_path)
    return tmp_path


def experiment_of(method, seed=0, iterations=900):
    return study.make_experiment(method, seed, iterations)


def write_checkpoint(path, *, steps, seconds=0.0):
    path.parent.mkdir(parents=True, exist_ok=True)
    save_checkpoint(path, empty_checkpoint(iteration=steps, seconds=seconds))


@pytest.mark.parametrize("method", study.METHODS)
def test_every_method_builds_in_the_protocol_of_the_benchmark(method, out):
    experiment = experiment_of(method, seed=3)
    config = experiment.build_config()
    build_model(config)
    assert (config.training.seed, config.training.max_iterations) == (3, 900)
    assert config.output_dir == str(out / method / "seed3")
    of_benchmark = "evaluation.num_samples=100000"  # the one thing that the study has fewer of
    check_protocol(replace(experiment, overrides=(*experiment.overrides, of_benchmark)))


def differences(method, base):
    """Keys of the configuration in which two methods differ, but for those that change no
    result: where it is written, and how many points are asked at once."""
    one, other = (
        flatten(experiment_of(name).build_config().model_dump()) for name in (method, base)
    )
    keys = {key for key in one | other if one.get(key) != other.get(key)}
    return keys - {"output_dir", "generation.batch_points"}


def flatten(section, prefix=""):
    """Dotted key -> value; networks are one value."""
    if not isinstance(section, dict) or "name" in section:
        return {prefix: section}
    parts = (flatten(value, f"{prefix}.{key}".strip(".")) for key, value in section.items())
    return {key: value for part in parts for key, value in part.items()}


@pytest.mark.parametrize(
    ("method", "parts"),
    [
        ("local_shape", {"model.encoder", "model.decoder"}),
        (
            "anchored_motion",
            {"model.encoder_temporal", "model.velocity_field", "model.deformation"},
        ),
    ],
)
def test_ablations_differ_from_the_paper_in_the_parts_they_name_and_nothing_else(method, parts):
    assert differences(method, "oflow_w_correspond") == parts
    assert not parts & differences(method, "local")


def test_carried_local_has_the_shape_of_the_local_model_and_no_learned_motion():
    assert differences("carried_local", "local") == {
        "model.encoder_temporal",
        "model.deformation",
        "loss.correspondence",
        "loss.correspondence_frames",  # of a loss that is 0
    }


def test_the_first_seed_of_all_methods_comes_first(out, monkeypatch):
    ran = []
    monkeypatch.setattr(study, "make_data", lambda config: None)
    monkeypatch.setattr(
        study,
        "run_side_by_side",
        lambda run, experiments, jobs: ran.extend(e.name for e in experiments),
    )
    study.main(["--methods", "oflow_w_correspond", "local", "--seeds", "0", "1"])
    assert ran == [
        "oflow_w_correspond/seed0",
        "local/seed0",
        "oflow_w_correspond/seed1",
        "local/seed1",
    ]


def test_a_run_is_finished_when_it_was_trained_and_evaluated_as_asked(out):
    experiment = experiment_of("local")
    run = RunFolder(out / "local" / "seed0")
    write_checkpoint(run.checkpoint, steps=900)
    assert is_trained(experiment.build_config())
    assert not study.is_finished(experiment)  # not evaluated
    for split in ("test", OTHER_SPLIT):
        write_run(run.path, 0.5, split=split)
        (run.evaluation(split) / "config.yaml").write_text(dump_config(experiment.build_config()))
    assert study.is_finished(experiment)
    assert not study.is_finished(experiment_of("local", iterations=1200))  # train on
    write_checkpoint(run.checkpoint, steps=450)
    assert not study.is_finished(experiment)  # stopped, and evaluated nevertheless


def test_a_run_begun_otherwise_is_refused(out):
    experiment = experiment_of("local")
    run = RunFolder(out / "local" / "seed0")
    run.path.mkdir(parents=True)
    run.config.write_text(dump_config(experiment.build_config()))
    study.refuse_other_settings([experiment, experiment_of("local", seed=1)])
    with pytest.raises(UserError, match=r"local/seed0 \(training\); give the settings they were"):
        study.refuse_other_settings([experiment_of("local", iterations=1200)])


@pytest.mark.parametrize(
    ("override", "section"),
    [
        ("data.root=elsewhere", "data"),
        ("data.test_split=val", "data"),
        ("model.code_size=8", "model"),
        ("ode.step_size=0.5", "ode"),
        ("loss.kl=0.1", "loss"),
        ("training.max_iterations=5", "training"),
        ("training.validate_every=7", "training"),
        ("validation.num_points=9", "validation"),
    ],
)
def test_what_changes_the_numbers_of_a_run_must_stay(override, section, out):
    experiment = experiment_of("local")
    changed = build_config(experiment.config, (*experiment.overrides, override))
    assert study.changed_sections(experiment.build_config(), changed) == [section]


def test_what_changes_no_number_of_a_run_may_change(out):
    experiment = experiment_of("local")
    others = ("training.print_every=7", "generation.batch_points=9", "output_dir=elsewhere")
    changed = build_config(experiment.config, (*experiment.overrides, *others))
    assert study.changed_sections(experiment.build_config(), changed) == []


def test_means_and_spreads_are_over_seeds(out):
    """In a run, values rise by 0.1 from window to window of 2, by 0.01 from frame to frame of 3."""
    for seed, level in ((0, 0.5), (2, 0.7)):
        path = out / "oflow" / f"seed{seed}"
        write_run(path, level, seconds=1.0 + seed)  # and 1 s of writing, nfe 20 and 24
        write_run(path, level + 0.05, split=OTHER_SPLIT)
        write_checkpoint(path / "model.pt", steps=1000 + 100 * seed, seconds=600.0)
    write_run(out / "local" / "seed0", 0.6)
    study.main(["--summarize", "--methods", "oflow", "local", "static"])
    text = (out / "summary.md").read_text()
    test, other = text.split(f"## {OTHER_SPLIT}")
    paper = cells(test, "oflow")
    assert paper["seeds"] == "2"
    assert paper["IoU"] == "0.660 (0.141)"  # 0.56 and 0.76: 0.2 / sqrt(2)
    assert paper["IoU at t = 0"] == "0.650 (0.141)"
    assert paper["IoU, last frame"] == "0.670 (0.141)"
    assert paper["Chamfer-L1 [length]"] == paper["Corr. [length]"] == "0.6600 (0.1414)"
    assert paper["Corr. last [length]"] == "0.6700 (0.1414)"
    assert paper["Training steps"] == "1100 (141)"
    assert paper["Training minutes"] == "10.0 (0.0)"
    assert paper["Seconds per window"] == "3.00 (1.41)"
    assert paper["NFE"] == "22 (0)"
    assert cells(test, "local")["IoU"] == "0.660"  # one seed has no spread
    assert cells(test, "local")["Training steps"] == "-"
    assert set(cells(test, "static").values()) == {"static", "0", "-"}
    assert "- missing: oflow, seed 1\n- missing: local, seed 1, 2\n" in test
    assert "- missing: static, seed 0, 1, 2" in test
    assert cells(other, "oflow")["IoU"] == "0.710 (0.141)"
    assert "- missing: local, seed 0, 1, 2" in other


def test_the_table_for_machines_has_all_digits(out):
    origin = origin_of("data")
    write_run(out / "oflow" / "seed0", 0.5, origin=origin)
    write_run(out / "oflow" / "seed1", 0.7)
    write_run(out / "local" / "seed0", 0.6)
    study.summarize(["oflow", "local"], [0, 1])
    with (out / "summary.csv").open() as file:
        rows = {(r["split"], r["variant"], r["metric"]): r for r in csv.DictReader(file)}
    paper, local = rows["test", "oflow", "iou"], rows["test", "local", "iou"]
    assert float(paper["mean"]) == pytest.approx(0.66)
    assert float(paper["std"]) == pytest.approx(math.sqrt(0.02))
    assert (paper["num_seeds"], local["num_seeds"], local["std"]) == ("2", "1", "nan")
    assert paper["origins"] == f"{origin.id} unknown"
    text = (out / "summary.md").read_text()
    assert f"- oflow/seed0: {origin}\n- oflow/seed1: unknown\n" in text
    assert ("test", "oflow", "nfe") not in rows


def test_what_does_not_compare_is_told(out):
    paper = write_run(out / "oflow" / "seed0", 0.5, data={"num_input_points": 300})
    other = write_run(out / "oflow" / "seed1", 0.5, frames=range(2), data={"num_input_points": 300})
    local = write_run(out / "local" / "seed0", 0.5, data={"num_input_points": 128})
    for path, width, step in ((paper, 128, 1.0), (other, 128, 1.0), (local, 64, 0.5)):
        with (RunFolder(path).evaluation("test") / "config.yaml").open("a") as file:
            file.write(f"model: {{code_size: {width}}}\node: {{step_size: {step}}}\n")
    text = study.summarize(["oflow", "local"], [0, 1])
    assert "oflow/seed1: only frames 0-1 of 0-2, in IoU" in text
    assert "points differs: 300 in oflow/seed0, oflow/seed1; 128 in local/seed0" in text
    assert "model.code_size differs: 128 in oflow/seed0, oflow/seed1; 64 in local/seed0" in text
    assert "ode.step_size differs: 1.0 in oflow/seed0, oflow/seed1; 0.5 in local/seed0" in text
    with pytest.raises(UserError, match="evaluated on different windows"):
        write_run(out / "local" / "seed1", 0.5, starts=(0,))
        study.summarize(["oflow", "local"], [0, 1])


def test_a_failed_run_stops_no_other(out):
    ran = []

    def run(experiment, threads):
        ran.append(experiment.name)
        if len(ran) == 1:
            raise UserError("no data")

    with pytest.raises(UserError, match="no data"):
        run_side_by_side(run, [experiment_of("static"), experiment_of("oflow")], 1)
    assert ran == ["static/seed0", "oflow/seed0"]


def test_a_training_that_was_stopped_is_not_evaluated(out, monkeypatch):
    ran = []
    monkeypatch.setattr(
        "scripts.experiments.engine.run_script", lambda arguments, *_: ran.append(arguments[0])
    )
    experiment = experiment_of("local")
    with pytest.raises(UserError, match="training of local/seed0 was stopped; run again"):
        train_and_evaluate(experiment, 1, out)
    assert ran == ["train.py"]
    write_checkpoint(RunFolder.of(experiment.build_config()).checkpoint, steps=900)
    train_and_evaluate(experiment, 1, out)
    assert ran[1:] == ["train.py", *["generate.py", "eval.py"] * 2]
