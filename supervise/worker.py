"""The one place where threads are made.

A `Worker` is a thread with a boundary. What its work raises is logged at once and stays readable as `trouble`, which
the session puts into the status, the log and the page (`troubles`). Whoever would wait for a worker waits only while
it is alive, and never without a limit: see `put` and `join`.
"""

from __future__ import annotations

import contextlib
import logging
import math
import queue
import threading
import time
import weakref
from collections.abc import Callable
from typing import TypeVar

log = logging.getLogger(__name__)
T = TypeVar("T")
OURS = {"bridge", "capture", "engine_plugins", "realmaster", "trt_engines"}
LOOK_SECONDS = 0.1
"""Whoever waits for a worker looks so often whether it is still alive."""

_lock = threading.Lock()
_workers: weakref.WeakSet[Worker] = weakref.WeakSet()


class Worker:
    """Runs `work` in a daemon thread called `name`, which is named to people: "recorder", "renderer"."""

    def __init__(self, name: str, work: Callable[[], None]) -> None:
        self.name = name
        self.failure: BaseException | None = None
        """What the work raised, once it has."""
        self._thread = threading.Thread(target=self._run, args=(work,), name=name, daemon=True)
        with _lock:
            _workers.add(self)
        self._thread.start()

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # thread boundary: nobody above could handle it
            self.failure = error
            log.error("%s", self.trouble, exc_info=None if _for_people(error) else error)

    @property
    def alive(self) -> bool:
        """Whether the work still runs."""
        return self._thread.is_alive()

    @property
    def trouble(self) -> str:
        """One sentence about the failure; empty while there is none."""
        if self.failure is None:
            return ""
        return f"the {self.name} has failed and works no more: {said(self.failure)}"

    def put(self, items: queue.Queue[T], item: T, seconds: float = math.inf) -> bool:
        """Hands `item` to this worker by its queue; waits for room while it is alive, at most `seconds`.

        Returns False if the item was not taken.
        """
        deadline = time.monotonic() + seconds
        while self.alive:
            with contextlib.suppress(queue.Full):
                items.put(item, timeout=max(0.0, min(LOOK_SECONDS, deadline - time.monotonic())))
                return True
            if time.monotonic() >= deadline:
                return False
        return False

    def join(self, seconds: float) -> bool:
        """Waits for the end of the work, at most `seconds`; returns whether it ended, and logs if it did not."""
        self._thread.join(seconds)
        if self.alive:
            log.warning("the %s did not end within %g s; it is left behind", self.name, seconds)
        return not self.alive


def said(error: BaseException) -> str:
    """An exception in one line, with its type where it was not written for people."""
    lines = str(error).strip().splitlines() or ["no reason given"]
    plain = _for_people(error) or isinstance(error, OSError)
    return lines[0] if plain else f"{type(error).__name__}: {lines[0]}"


def _for_people(error: BaseException) -> bool:
    """Whether it is one of our own errors, whose message is a sentence that says what to do."""
    return type(error).__module__.split(".")[0] in OURS


def troubles() -> tuple[str, ...]:
    """What is wrong with the workers of this process whose owners still exist, a sentence each."""
    with _lock:
        return tuple(sorted(worker.trouble for worker in _workers if worker.failure is not None))
