"""What every game in Python needs: a ring to publish into, a steady beat, and a clean end."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from collections.abc import Callable

from capture.errors import CaptureError
from capture.frame import Frame, packed_size
from capture.ring import RingWriter


class Publisher:
    """Publishes a game's frames into the ring `ring`, which is made for the first of them, and anew for larger ones.

    `framelocked`, it waits for its reader, until `cancelled()`. Raises `CaptureError` if there is no room.
    """

    def __init__(self, ring: str, framelocked: bool = False, cancelled: Callable[[], bool] = lambda: False) -> None:
        self.ring, self.framelocked, self.cancelled = ring, framelocked, cancelled
        self.writer: RingWriter | None = None

    def wanted(self) -> bool:
        """Whether somebody would see a frame. Says that the game lives, too."""
        return self.writer is None or self.writer.wanted()

    def publish(self, frame: Frame) -> None:
        """See `RingWriter.publish`."""
        size = packed_size(frame)
        if self.writer is None:
            self.writer = RingWriter(self.ring, size, framelocked=self.framelocked, cancelled=self.cancelled)
        elif size > self.writer.room:
            self.writer.reopen(size)
        self.writer.publish(frame)

    def close(self) -> None:
        """The game is over."""
        if self.writer is not None:
            self.writer.close()


def game_arguments(name: str, about: str, ring: str) -> argparse.ArgumentParser:
    """The command line that the games here have in common."""
    parser = argparse.ArgumentParser(prog=name, description=about)
    parser.add_argument("--ring", default=ring, help=f"name of the ring to publish (default: {ring})")
    parser.add_argument("--size", default="640x360", help="WIDTHxHEIGHT (default: 640x360)")
    parser.add_argument("--fps", type=float, default=24.0, help="frames a second, 0 for unlimited (default: 24)")
    parser.add_argument("--frames", type=int, default=0, help="stop after so many, 0 for never (default: 0)")
    parser.add_argument("--framelocked", action="store_true", help="wait for the reader: nothing is lost")
    parser.add_argument("--interface", action="store_true", help="draw one, and hand over the scene without it, too")
    return parser


def ending() -> tuple[threading.Event, Callable[[], bool]]:
    """An event that SIGINT and SIGTERM set, and whether it is set or the process that started this one is gone."""
    stop, parent = threading.Event(), os.getppid()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stop.set())
    return stop, lambda: stop.is_set() or os.getppid() != parent


def play(ring: str, fps: float, framelocked: bool, make_frame: Callable[[int], Frame | None]) -> int:
    """Publishes `make_frame(i)` at `fps` (0 = as fast as it goes) until it gives None or a signal comes.

    Also ends when the process that started it is gone. Returns the exit status.
    """
    stop, over = ending()
    publisher = Publisher(ring, framelocked, over)
    due = time.monotonic()
    index = 0
    try:
        while not over():
            frame = make_frame(index)
            if frame is None:
                break
            if publisher.wanted():
                publisher.publish(frame)
            index += 1
            if fps:
                # A late frame moves the beat: the game never hurries to catch up.
                due = max(due + 1 / fps, time.monotonic() - 1 / fps)
                stop.wait(max(0.0, due - time.monotonic()))
    except CaptureError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        publisher.close()
    return 0
