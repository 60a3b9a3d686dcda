"""Windows shared out among processes: each done once, whoever dies, and one table in the end."""

import json
import os
import shutil
import time
from pathlib import Path

import pytest
import torch

import eval as evaluation
import generate
import train
from im2mesh.build import build_config
from im2mesh.data.dataset import build_windows
from im2mesh.errors import UserError
from im2mesh.evaluation.evaluator import Evaluator
from im2mesh.evaluation.split import SplitEvaluation
from im2mesh.generation import split
from im2mesh.generation.split import _SplitWork
from im2mesh.machine.locks import claim
from im2mesh.machine.ranks import Ranks, ranks_from_environment
from im2mesh.machine.shared_work import for_each, own_share_first
from im2mesh.runs.folder import RunFolder
from tests.small import write_small_config

OPTIONS = ["data.eval_stride=1", "--split", "train"]  # 16 windows


@pytest.fixture(scope="module")
def trained(tmp_path_factory, ball_root):
    folder = tmp_path_factory.mktemp("trained")
    config = write_small_config(folder, ball_root)
    torch.set_num_threads(1)
    train.main([str(config), "--device", "cpu"])
    return config


@pytest.fixture
def config_path(trained, tmp_path, ball_root):
    shutil.copytree(trained.parent / "run", tmp_path / "run")
    return write_small_config(tmp_path, ball_root)


def generate_here(config: str) -> None:
    generate.main([config, *OPTIONS, "--device", "cpu"])


def evaluate_here(config: str) -> None:
    evaluation.main([config, *OPTIONS])


def windows_of(config_path):
    config = build_config(config_path, OPTIONS[:1])
    return build_windows(config, "train", stride=config.data.eval_stride)


def note_work(log: Path, dying: bool) -> None:
    """Add a line to a file whenever this process works on a window; the first of two may die."""
    if dying and ranks_from_environment().rank == 0:
        for task in (_SplitWork, SplitEvaluation):
            task.finish = dying_after_three(log, task.finish)

    def noting(work, name_of):
        def work_and_note(*arguments):
            with log.open("ab", buffering=0) as file:  # one write: lines of two processes never mix
                file.write(f"{name_of(*arguments)}\n".encode())
            return work(*arguments)

        return work_and_note

    split._generate_window = noting(
        split._generate_window, lambda *rest: f"{rest[4].path.parent.name}/{rest[4].path.name}"
    )
    Evaluator.evaluate_window = noting(
        Evaluator.evaluate_window, lambda _self, window, _: f"{window.clip}/{window.name}"
    )


def dying_after_three(log: Path, finish):
    def finish_or_die(self, window):
        if len(noted(log)) >= 3:
            os._exit(9)  # while it holds the window
        finish(self, window)

    return finish_or_die


def noted(log: Path) -> list[str]:
    return log.read_text().splitlines() if log.exists() else []


def generate_noted(config: str, log: str, dying: bool) -> None:
    note_work(Path(log), dying)
    generate_here(config)


def evaluate_noted(config: str, log: str, dying: bool) -> None:
    note_work(Path(log), dying)
    evaluate_here(config)


@pytest.mark.parametrize("dying", [False, True])
def test_every_window_is_done_once_and_the_table_is_that_of_one_process(
    config_path, tmp_path, trainings, dying
):
    windows, run = windows_of(config_path), RunFolder(tmp_path / "run")
    statuses = [9, 0] if dying else [0, 0]
    for task, name in ((generate_noted, "generated"), (evaluate_noted, "evaluated")):
        log = tmp_path / name
        assert trainings.run_ranks(2, task, str(config_path), str(log), dying) == statuses
        assert sorted(noted(log)) == sorted(f"{window.clip}/{window.name}" for window in windows)
    together = {
        name: (run.evaluation("train") / name).read_bytes()
        for name in ("records.csv", "summary.json", "summary.md", "iou.png")
    }
    shutil.rmtree(run.evaluation("train"))
    evaluate_here(str(config_path))
    for name, content in together.items():
        assert (run.evaluation("train") / name).read_bytes() == content, name


def test_meshes_do_not_depend_on_the_number_of_processes(config_path, tmp_path, trainings):
    folder = RunFolder(tmp_path / "run").generation("train")
    files = "*/*/*/meshes/*.ply"
    assert trainings.run_ranks(3, generate_here, str(config_path)) == [0, 0, 0]
    shared = {path.relative_to(folder): path.read_bytes() for path in folder.glob(files)}
    shutil.rmtree(folder)
    generate_here(str(config_path))
    alone = {path.relative_to(folder): path.read_bytes() for path in folder.glob(files)}
    assert shared == alone and len(alone) == 16 * 5


def test_an_interrupted_evaluation_goes_on(config_path, tmp_path, monkeypatch):
    generate_here(str(config_path))
    finish, measured = SplitEvaluation.finish, []

    def finish_five(self, window):
        if len(measured) == 5:
            raise KeyboardInterrupt
        measured.append(window)
        finish(self, window)

    monkeypatch.setattr(SplitEvaluation, "finish", finish_five)
    with pytest.raises(KeyboardInterrupt):
        evaluate_here(str(config_path))
    monkeypatch.setattr(SplitEvaluation, "finish", finish)
    counted, evaluate = [], Evaluator.evaluate_window
    monkeypatch.setattr(
        Evaluator,
        "evaluate_window",
        lambda self, *rest: counted.append(rest) or evaluate(self, *rest),
    )
    evaluate_here(str(config_path))
    assert len(counted) == 11
    evaluate_here(str(config_path))
    assert len(counted) == 11  # all are finished
    evaluation.main([str(config_path), *OPTIONS, "evaluation.num_samples=400"])
    assert len(counted) == 27  # but not with these settings


def test_meshes_of_two_runs_are_not_mixed(config_path, tmp_path):
    generate_here(str(config_path))
    run, windows = RunFolder(tmp_path / "run"), windows_of(config_path)
    note = run.window("train", windows[3]).summary
    summary = json.loads(note.read_text())
    summary["made_by"]["run"] = "0123456789abcdef"
    note.write_text(json.dumps(summary))
    with pytest.raises(UserError, match=f"of {windows[0]} and {windows[3]} were made by different"):
        evaluate_here(str(config_path))
    note.unlink()  # of another program, then
    with pytest.raises(UserError, match="were made by different runs"):
        evaluate_here(str(config_path))


def test_results_carry_what_made_them(config_path, tmp_path):
    generate_here(str(config_path))
    evaluate_here(str(config_path))
    folder = RunFolder(tmp_path / "run").evaluation("train")
    origin = json.loads((folder / "summary.json").read_text())["origin"]
    for maker in (origin["evaluated_by"], *origin["meshes_by"]):
        assert {"code", "config", "seed", "packages"} <= set(maker)
        assert maker["packages"]["torch"] == torch.__version__
    assert len(origin["meshes_by"]) == 1 and "run" in origin["meshes_by"][0]
    assert "dataset" in origin["evaluated_by"]
    lines = (folder / "records.csv").read_text().splitlines()
    assert all(line.endswith(f",{origin['id']}") for line in lines[1:])
    assert f"Origin {origin['id']}" in (folder / "summary.md").read_text()
    assert f"Origin {origin['id']}".encode() in (folder / "iou.png").read_bytes()


def test_a_claim_is_held_by_one_process_and_falls_with_it(tmp_path, trainings):
    lock = tmp_path / "lock"
    holder = trainings.context.Process(target=hold, args=(lock, tmp_path / "held"))
    holder.start()
    while not (tmp_path / "held").exists():
        time.sleep(0.01)
    with claim(lock, "a") as is_mine:
        assert not is_mine
    with claim(lock, "b") as is_mine:
        assert is_mine
    holder.kill()
    holder.join()
    with claim(lock, "a") as is_mine:
        assert is_mine


def hold(lock: Path, held: Path) -> None:
    with claim(lock, "a") as is_mine:
        assert is_mine
        held.touch()
        time.sleep(60)


def test_shares_are_even_and_cover_all(config_path, tmp_path):
    windows = windows_of(config_path)
    firsts = [list(own_share_first(windows, Ranks(rank, 3))) for rank in range(3)]
    assert all(sorted(order) == sorted(windows) for order in firsts)
    own = [order[: len(windows[rank::3])] for rank, order in enumerate(firsts)]
    assert sorted(window for share in own for window in share) == sorted(windows)
    done = []
    for_each(windows, tmp_path / "lock", Ranks(1, 3), done.append)
    assert done == firsts[1]
