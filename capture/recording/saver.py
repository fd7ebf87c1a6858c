"""Saves the last seconds to disk in a thread of its own, so that a recording at the same time loses nothing.

Queue: `WAITING` saves wait while one is written; a further one is refused, with a sentence. Each holds what the replay
held when it was asked for, mostly the same bytes.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from capture.recording.disk import RESERVE, DiskWatch
from capture.recording.layout import About
from capture.recording.replay import KeptFrame, KeptPhoto, recoded
from capture.recording.writer import SessionWriter
from supervise.worker import Worker, said

WAITING = 2
CLOSE_SECONDS = 60.0
"""How long `close` waits until all saves are written."""
LOOK_SECONDS = 0.05
GIVE_WAY_SECONDS = 10.0
"""How long one save waits in all while the recorder is busy. Then it is written in any case."""


@dataclass(frozen=True)
class _Save:
    path: Path
    items: list[KeptFrame | KeptPhoto]
    numbered: bool


class ReplaySaver:
    """`busy` says whether the recorder has its hands full; `tell` is given what was saved, and what went wrong."""

    def __init__(self, about: About, busy: Callable[[], bool], tell: Callable[[str, str], None],
                 reserve: int = RESERVE) -> None:
        self.about, self.busy, self.tell, self.reserve = about, busy, tell, reserve
        self._queue: queue.Queue[_Save | None] = queue.Queue(WAITING)
        self._closing = threading.Event()
        self._worker = Worker("replay saver", self._work)

    def save(self, path: Path, items: list[KeptFrame | KeptPhoto], *, numbered: bool) -> None:
        """Queues a save of `items` to `path`."""
        if not self._worker.put(self._queue, _Save(path, items, numbered), 0.0):
            self.tell("", f"the last seconds were not saved: {WAITING + 1} saves are on their way, wait for one to end")

    def close(self) -> None:
        """Waits up to `CLOSE_SECONDS` until all saves are written."""
        self._closing.set()
        if not self._worker.put(self._queue, None, CLOSE_SECONDS) or not self._worker.join(CLOSE_SECONDS):
            self.tell("", "the last seconds could not be saved in time: `realmaster recover` keeps what was written")

    def _work(self) -> None:
        while (save := self._queue.get()) is not None:  # None ends the thread, which is a daemon
            try:
                self._write(save)
            except Exception as error:  # thread boundary: the next save may succeed
                self.tell("", f"the last seconds were not saved: {said(error)}")

    def _write(self, save: _Save) -> None:
        writer = SessionWriter(save.path, self.about, numbered=save.numbered)
        disk = DiskWatch(writer.part, self.reserve)
        try:
            looks = round(GIVE_WAY_SECONDS / LOOK_SECONDS)
            for coded in recoded(save.items):
                looks = self._give_way(looks)
                writer.write(coded)
                if not disk.enough():
                    break
        except Exception:  # the part that is on disk can be recovered
            writer.abandon()
            raise
        writer.close()
        self.tell(writer.summary, disk.trouble)

    def _give_way(self, looks: int) -> int:
        """Waits while the recorder is busy, for at most `looks` looks. Returns how many are left."""
        while looks and self.busy() and not self._closing.is_set():
            self._closing.wait(LOOK_SECONDS)
            looks -= 1
        return looks


def from_here(items: list[KeptFrame | KeptPhoto]) -> list[KeptFrame | KeptPhoto]:
    """`items` from the first frame on, which follows nothing: what was lost before it is no loss of theirs."""
    for i, item in enumerate(items):
        if isinstance(item, KeptFrame):
            return [KeptFrame(msgspec.structs.replace(item.entry, dropped=0), item.buffers), *items[i + 1:]]
    return []
