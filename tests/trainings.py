"""Trainings in processes of their own, alone or several at once."""

import multiprocessing
import os
import socket
import time
from collections.abc import Callable, Sequence
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event
from pathlib import Path

import torch

import train
from im2mesh.build import build_config, build_trainer
from im2mesh.runs.checkpoints import load_checkpoint
from im2mesh.runs.folder import RunFolder


def train_in_this_process(config: str, overrides: list[str], is_built: Event | None = None) -> None:
    """Train as train.py does; `is_built` is set when the loop is about to begin."""
    if is_built is not None:
        train.build_trainer = lambda *arguments: (build_trainer(*arguments), is_built.set())[0]
    _be_like_a_fresh_process()
    train.main([config, *overrides, "--device", "cpu"])


def with_rank(environment: dict[str, str], task: Callable, arguments: Sequence) -> None:
    """Run a task as one of several processes."""
    os.environ |= environment
    _be_like_a_fresh_process()
    task(*arguments)


def _be_like_a_fresh_process() -> None:
    """With workers that are its children, not those of the server it was copied from: these see
    when it dies. And with one thread, whatever the machine: more would round otherwise."""
    multiprocessing.set_start_method("fork", force=True)
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)


class Trainings:
    """Starts trainings quickly: the imports are done once, in a process that is then copied."""

    def __init__(self) -> None:
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(["train", "torch._dynamo", __name__])

    def start(self, config: Path, overrides: list[str]) -> tuple[BaseProcess, Event]:
        is_built = self.context.Event()
        arguments = (str(config), overrides, is_built)
        process = self.context.Process(target=train_in_this_process, args=arguments)
        process.start()
        return process, is_built

    def stop_often(
        self, config: Path, overrides: list[str], moments: list[float], signals: list[int]
    ) -> list[int]:
        """Stop a training so many seconds after its loop has begun, and start it again each time.

        Returns the iterations of the checkpoints it was stopped with.
        """
        iterations = []
        for moment, number in zip(moments, signals, strict=True):
            process, is_built = self.start(config, overrides)
            assert is_built.wait(60)
            process.join(moment)
            assert process.is_alive(), "the training is over: more steps, or earlier moments"
            os.kill(process.pid, number)
            process.join(60)
            assert not process.is_alive(), f"it goes on after signal {number}"
            iterations.append(newest_iteration(config, overrides))
        return iterations

    def seconds_to_checkpoint(self, config: Path, overrides: list[str]) -> float:
        """Seconds from the start of the loop to the next checkpoint, which differ by machine."""
        checkpoint = RunFolder.of(build_config(config, overrides)).checkpoint
        before = _written_at(checkpoint)
        process, is_built = self.start(config, overrides)
        assert is_built.wait(60)
        begin = time.monotonic()
        while process.is_alive() and _written_at(checkpoint) in (None, before):
            time.sleep(0.005)
        seconds = time.monotonic() - begin
        process.kill()
        process.join()
        return seconds

    def finish(self, config: Path, overrides: list[str]) -> None:
        process, _ = self.start(config, overrides)
        process.join(300)
        assert process.exitcode == 0

    def run_ranks(self, world_size: int, task: Callable, *arguments: object) -> list[int | None]:
        """Run a task in so many processes that find each other; returns their exit statuses."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        processes: list[BaseProcess] = []
        for rank in range(world_size):
            environment = {
                "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world_size),
                "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
            }  # fmt: skip
            process = self.context.Process(target=with_rank, args=(environment, task, arguments))
            process.start()
            processes.append(process)
        for process in processes:
            process.join(120)
            process.kill()  # if it still lives, which its exit status then tells
            process.join()
        return [process.exitcode for process in processes]


def _written_at(file: Path) -> int | None:
    """None while there is none; a new checkpoint takes the place of the old one in two steps."""
    try:
        return file.stat().st_mtime_ns
    except FileNotFoundError:
        return None


def newest_iteration(config: Path, overrides: list[str]) -> int:
    """Of the checkpoints as they lie there, of which one may be missing; 0 before the first."""
    run = RunFolder.of(build_config(config, overrides))
    paths = [path for path in (run.checkpoint, run.previous_checkpoint) if path.exists()]
    return max((load_checkpoint(path).state.iteration for path in paths), default=0)
