"""What every game in Python needs: a ring to publish into, a steady beat, and a clean end."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable

from capture.errors import CaptureError
from capture.frame import Frame, packed_size
from capture.ring import RingWriter


def play(ring: str, fps: float, framelocked: bool, make_frame: Callable[[int], Frame | None]) -> int:
    """Publishes `make_frame(i)` at `fps` (0 = as fast as it goes) until it gives None or a signal comes.

    Also ends when the process that started it is gone. Returns the exit status.
    """
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stop.set())
    parent = os.getppid()
    writer: RingWriter | None = None
    due = time.monotonic()
    index = 0
    try:
        while not stop.is_set() and os.getppid() == parent:
            frame = make_frame(index)
            if frame is None:
                break
            if writer is None:
                writer = RingWriter(ring, packed_size(frame), framelocked=framelocked,
                                    cancelled=lambda: stop.is_set() or os.getppid() != parent)
            writer.publish(frame)
            index += 1
            if fps:
                # A late frame moves the beat: the game never hurries to catch up.
                due = max(due + 1 / fps, time.monotonic() - 1 / fps)
                stop.wait(max(0.0, due - time.monotonic()))
    except CaptureError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        if writer is not None:
            writer.close()
    return 0
