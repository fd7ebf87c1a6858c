"""Queues the windows that wait to be rendered. Clients take turns, so a busy client delays only itself."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field

from bridge.contract import Pixels, Window


@dataclass(eq=False)
class Guest:
    """A client from its Hello on. Only the loop uses it, but `carry` and `carry_end` are the renderer's."""

    identity: bytes
    name: str
    key: bytes
    seen: float
    over: bool = False
    """It left or said Hello again, so results for this guest are thrown away."""
    in_flight: int = 0
    carry: object = None
    carry_end: tuple[int, int] | None = None
    """The segment and the start of the window that may continue with `carry`."""


@dataclass(frozen=True)
class Job:
    """A window to render, with its valid frames, u8."""

    guest: Guest
    window: Window
    frames: list[Pixels]


@dataclass
class Jobs:
    """The queue between the loop and the renderer. It holds at most the credits of all clients."""

    _waiting: dict[Guest, deque[Job]] = field(default_factory=dict[Guest, "deque[Job]"])
    _turn: deque[Guest] = field(default_factory=deque[Guest])
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def __len__(self) -> int:
        with self._changed:
            return sum(len(jobs) for jobs in self._waiting.values())

    def add(self, job: Job) -> None:
        """Adds a window after the other windows of its client."""
        with self._changed:
            if job.guest not in self._waiting:
                self._waiting[job.guest] = deque()
                self._turn.append(job.guest)
            self._waiting[job.guest].append(job)
            self._changed.notify()

    def take(self, seconds: float) -> Job | None:
        """Takes the oldest window of the client whose turn it is. Returns None if none comes within `seconds`."""
        with self._changed:
            if not self._turn:
                self._changed.wait(seconds)
            if not self._turn:
                return None
            guest = self._turn.popleft()
            jobs = self._waiting[guest]
            job = jobs.popleft()
            if jobs:
                self._turn.append(guest)
            else:
                del self._waiting[guest]
            return job

    def forget(self, guest: Guest) -> None:
        """Throws away the waiting windows of a client that has gone."""
        with self._changed:
            if self._waiting.pop(guest, None) is not None:
                self._turn.remove(guest)
