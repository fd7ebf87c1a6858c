"""Workers: threads whose failures are reported. All threads are made here.

If the work of a `Worker` raises an exception, it is logged at once and stays readable as `trouble`. The session shows
the `troubles` of all workers in the status, the log and the page. Nobody waits for a worker without a limit: `put`
waits only while the worker is alive, and `join` has a timeout.
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
"""How often `put` checks whether the worker is still alive."""

_lock = threading.Lock()
_workers: weakref.WeakSet[Worker] = weakref.WeakSet()


class Worker:
    """Runs `work` in a daemon thread. `name` appears in messages to the user, such as "recorder" or "renderer"."""

    def __init__(self, name: str, work: Callable[[], None]) -> None:
        self.name = name
        self.failure: BaseException | None = None
        """The exception that the work has raised; None if it has raised none."""
        self._thread = threading.Thread(target=self._run, args=(work,), name=name, daemon=True)
        with _lock:
            _workers.add(self)
        self._thread.start()

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # thread boundary: no caller could handle it
            self.failure = error
            log.error("%s", self.trouble, exc_info=None if _for_people(error) else error)

    @property
    def alive(self) -> bool:
        """Whether the work still runs."""
        return self._thread.is_alive()

    @property
    def trouble(self) -> str:
        """One sentence about the failure; empty if there is none."""
        if self.failure is None:
            return ""
        return f"the {self.name} has failed and works no more: {said(self.failure)}"

    def put(self, items: queue.Queue[T], item: T, seconds: float = math.inf) -> bool:
        """Puts an item into the queue of this worker. Waits for room while the worker is alive.

        Args:
            items: the queue that the worker reads.
            item: the item.
            seconds: the longest time to wait.

        Returns:
            Whether the item was put into the queue.
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
        """Waits up to `seconds` for the work to end. Returns whether it has ended, and logs a warning if not."""
        self._thread.join(seconds)
        if self.alive:
            log.warning("the %s did not end within %g s; it is left behind", self.name, seconds)
        return not self.alive


def said(error: BaseException) -> str:
    """The exception as one line. Its type is added if its message was not written for users."""
    lines = str(error).strip().splitlines() or ["no reason given"]
    plain = _for_people(error) or isinstance(error, OSError)
    return lines[0] if plain else f"{type(error).__name__}: {lines[0]}"


def _for_people(error: BaseException) -> bool:
    """Whether it is one of RealMaster's own errors, whose message says what to do."""
    return type(error).__module__.split(".")[0] in OURS


def troubles() -> tuple[str, ...]:
    """One sentence for each worker of this process that has failed and whose owner still exists."""
    with _lock:
        return tuple(sorted(worker.trouble for worker in _workers if worker.failure is not None))
