"""Clips written in one or several processes, which stop after a frame on an error or Ctrl-C."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

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


R = TypeVar("R", covariant=True)


@runtime_checkable
class Writer(Protocol, Generic[R]):
    """Writes one clip. It can be pickled, so that another process can do it."""

    def write(self, is_stopped: Callable[[], bool], on_frame: Callable[[], None]) -> R:
        """Write the missing frames, and call back after each; return early once it is stopped."""
        ...


def write_clips(writers: Sequence[Writer[R]], workers: int, progress: "tqdm[Any]") -> list[R]:
    """Write clips, with so many processes, or in this one if that is 1.

    Args:
        progress: Advances by 1 for each frame.

    Returns:
        What the writers return, in no certain order.
    """
    if workers == 1 or len(writers) < 2:
        return [writer.write(_never, lambda: _advance(progress)) for writer in writers]
    return _write_in_processes(writers, min(workers, len(writers)), progress)


def _never() -> bool:
    return False


def _advance(progress: "tqdm[Any]") -> None:
    progress.update(1)


def _write_in_processes(
    writers: Sequence[Writer[R]], workers: int, progress: "tqdm[Any]"
) -> list[R]:
    """Write clips in spawned processes; on an error or Ctrl-C each of them finishes its frame."""
    context = multiprocessing.get_context("spawn")
    stop, counter = context.Event(), context.Value("q", 0)
    with (
        _environment(_WORKER_ENVIRONMENT),
        ProcessPoolExecutor(workers, context, _start_worker, (stop, counter)) as pool,
    ):
        futures = {pool.submit(_write_clip, writer) for writer in writers}
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


def _write_clip(writer: Writer[R]) -> R:
    def count() -> None:
        with _worker["counter"].get_lock():
            _worker["counter"].value += 1

    return writer.write(_worker["stop"].is_set, count)
