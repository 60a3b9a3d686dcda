"""Work on clips in one or several processes, which stop after a frame on an error or Ctrl-C."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from typing import Any, TypeVar

from tqdm import tqdm

_POLL_SECONDS = 0.25
_WORKER_ENVIRONMENT = {
    "IGL_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "LP_NUM_THREADS": "1",  # Mesa, which draws images where there is no GPU
    # glibc is to keep freed memory: returning every large array to the system at once took a sixth
    # of the time.
    "MALLOC_MMAP_THRESHOLD_": "100000000",
    "MALLOC_TRIM_THRESHOLD_": "1000000000",
}


R = TypeVar("R")
ClipTask = Callable[[Callable[[], bool], Callable[[], None]], R]
"""Work on one clip. It gets a function that says whether to stop early, and one to call after each
frame. It can be pickled, as a method of an object can, so that another process can do it."""


def work_on_clips(tasks: Sequence[ClipTask[R]], workers: int, progress: "tqdm[Any]") -> list[R]:
    """Do the work on clips with so many processes, or in this one if that is 1.

    Args:
        progress: Advances by 1 for each frame.

    Returns:
        What the tasks return, in no certain order.
    """
    if workers == 1 or len(tasks) < 2:
        return [task(_never, lambda: _advance(progress)) for task in tasks]
    return _work_in_processes(tasks, min(workers, len(tasks)), progress)


def _never() -> bool:
    return False


def _advance(progress: "tqdm[Any]") -> None:
    progress.update(1)


def _work_in_processes(
    tasks: Sequence[ClipTask[R]], workers: int, progress: "tqdm[Any]"
) -> list[R]:
    """Work in spawned processes; on an error or Ctrl-C each of them finishes its frame."""
    context = multiprocessing.get_context("spawn")
    stop, counter = context.Event(), context.Value("q", 0)
    with (
        _environment(_WORKER_ENVIRONMENT),
        ProcessPoolExecutor(workers, context, _start_worker, (stop, counter)) as pool,
    ):
        futures = {pool.submit(_do, task) for task in tasks}
        try:
            return _wait_for_all(
                futures, lambda: progress.update(counter.value + progress.initial - progress.n)
            )
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise


def _wait_for_all(futures: "set[Future[R]]", on_tick: Callable[[], object]) -> list[R]:
    results = []
    while futures:
        finished, futures = wait(futures, _POLL_SECONDS, return_when=FIRST_COMPLETED)
        results += [future.result() for future in finished]
        on_tick()
    return results


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for processes started inside; libraries read them on import."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


_worker: dict[str, Any] = {}  # the initializer fills it for the tasks of this process


def _start_worker(stop: Any, counter: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    _worker.update(stop=stop, counter=counter)


def _do(task: ClipTask[R]) -> R:
    def count() -> None:
        with _worker["counter"].get_lock():
            _worker["counter"].value += 1

    return task(_worker["stop"].is_set, count)
