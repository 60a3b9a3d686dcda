"""Locks between processes, also without the module that only Unix has."""

import errno
import fcntl
import importlib
import os
import sys
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace

import pytest

from im2mesh.errors import UserError
from im2mesh.files import byte_locks
from im2mesh.files.atomic import atomic_file
from im2mesh.machine import locks

NON_BLOCKING = 2


def locking_as_windows_does(descriptor: int, mode: int, count: int) -> None:
    """Lock bytes from the present position on, as msvcrt.locking does."""
    assert mode == NON_BLOCKING
    start = os.lseek(descriptor, 0, os.SEEK_CUR)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, count, start)
    except OSError as error:
        raise PermissionError(errno.EACCES, "Permission denied") from error


@pytest.fixture(params=["unix", "windows"])
def system(request, monkeypatch):
    """The locks of this system, and those that are used where there is no fcntl."""
    if request.param == "windows":
        windows = SimpleNamespace(LK_NBLCK=NON_BLOCKING, locking=locking_as_windows_does)
        monkeypatch.setitem(sys.modules, "msvcrt", windows)
        monkeypatch.setitem(sys.modules, "fcntl", None)
        importlib.reload(byte_locks)
        assert byte_locks.fcntl is None
    yield request.param
    monkeypatch.undo()
    importlib.reload(byte_locks)


def try_to_claim(path, names, results):
    found = []
    for name in names:
        with locks.claim(path, name) as is_mine:
            found.append(is_mine)
    results.put(found)


def try_to_enter(path, results):
    try:
        with locks.only_process(path, "out/run"):
            results.put("entered")
    except UserError as error:
        results.put(str(error))


def asked_elsewhere(task, *arguments):
    context = get_context("fork")
    results = context.Queue()
    process = context.Process(target=task, args=(*arguments, results))
    process.start()
    answer = results.get(timeout=60)
    process.join()
    return answer


def test_a_claim_holds_for_its_name_until_it_ends(system, tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "lock_byte", byte_locks.lock_byte)
    path = tmp_path / "lock"
    with locks.claim(path, "one") as is_mine:
        assert is_mine
        assert asked_elsewhere(try_to_claim, path, ["one", "two"]) == [False, True]
    assert asked_elsewhere(try_to_claim, path, ["one"]) == [True]
    assert path.stat().st_size == 0


def test_a_folder_in_use_is_refused_and_the_holder_named(system, tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "lock_byte", byte_locks.lock_byte)
    path = tmp_path / "lock"
    path.write_text("process 1 on a machine with a very long name that is gone\n")
    with locks.only_process(path, "out/run"):
        answer = asked_elsewhere(try_to_enter, path)
        assert f"out/run is in use by process {os.getpid()} on " in answer
        assert path.read_text().count("\n") == 1
    assert asked_elsewhere(try_to_enter, path) == "entered"


def test_files_are_written_where_folders_cannot_be_opened(tmp_path, monkeypatch):
    real = os.open

    def refuse_folders(path, *arguments, **options):
        if Path(path).is_dir():
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path, *arguments, **options)

    monkeypatch.setattr(
        "im2mesh.files.atomic.os", SimpleNamespace(name="nt", open=refuse_folders, fsync=os.fsync)
    )
    with atomic_file(tmp_path / "a.txt") as file:
        file.write(b"content")
    assert (tmp_path / "a.txt").read_bytes() == b"content"
