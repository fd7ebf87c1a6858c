"""A thread that fails says so, and nobody waits for it."""

from __future__ import annotations

import ast
import queue
import threading
from pathlib import Path

import pytest

from supervise.worker import Worker, said, troubles

ROOT = Path(__file__).parents[2]
PACKAGES = ("bridge", "capture", "engine_plugins", "realmaster", "supervise", "trt_engines")
PATIENCE = 20.0


def failed(name: str, error: BaseException) -> Worker:
    def work() -> None:
        raise error

    worker = Worker(name, work)
    assert worker.join(PATIENCE)
    return worker


@pytest.mark.parametrize("kind", [ValueError, SystemExit, MemoryError])
def test_what_a_worker_raises_is_kept_told_and_logged(kind, caplog):
    worker = failed("recorder", kind("cannot convert float NaN to integer"))
    assert isinstance(worker.failure, kind) and not worker.alive
    assert f"the recorder has failed and works no more: {kind.__name__}: cannot" in worker.trouble
    assert worker.trouble in troubles()
    assert worker.trouble in caplog.text


def test_nobody_waits_for_a_worker_that_is_dead():
    full: queue.Queue[int] = queue.Queue(1)
    full.put(0)
    worker = failed("renderer", RuntimeError("out of luck"))
    assert not worker.put(full, 1)


def test_whoever_waits_is_let_go_when_the_worker_dies_meanwhile():
    full: queue.Queue[int] = queue.Queue(1)
    full.put(0)
    die = threading.Event()

    def work() -> None:
        die.wait(PATIENCE)
        raise RuntimeError("now")

    worker = Worker("encoder", work)
    assert not worker.put(full, 1, seconds=0.0), "no room, and no patience"
    die.set()
    assert not worker.put(full, 1)


def test_a_worker_that_hangs_is_left_behind(caplog):
    release = threading.Event()
    worker = Worker("decoder", lambda: release.wait(PATIENCE) and None)
    assert not worker.join(0.01)
    assert "the decoder did not end" in caplog.text and worker.alive
    release.set()
    assert worker.join(PATIENCE) and not worker.trouble


def test_an_exception_is_one_line():
    assert said(ValueError("first\nsecond")) == "ValueError: first"
    assert said(FileNotFoundError(2, "No such file or directory", "x")) == "[Errno 2] No such file or directory: 'x'"
    assert said(KeyboardInterrupt()) == "KeyboardInterrupt: no reason given"


def test_threads_are_made_by_the_supervisor_alone():
    for path in (p for package in PACKAGES for p in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in {"Thread", "Timer"}:
                assert path.parent.name == "supervise", f"{path}:{node.lineno}: use a Worker"
