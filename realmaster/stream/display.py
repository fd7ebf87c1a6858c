"""The display: finished frames wait here until they are due and then go to the sinks.

Queue: `DISPLAY_WINDOWS` windows of frames. When it is full, the oldest frames are shown early. Offline, frames are
shown at once.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from capture.frame import Frame
from realmaster.errors import UserError
from realmaster.guides.interface import scene_of, with_interface
from realmaster.guides.pictures import unboxed
from realmaster.guides.regions import Regions
from realmaster.stream.full_size import FullSize
from realmaster.stream.outlet import Outlet
from realmaster.stream.pacing import Presentation, present_at
from realmaster.stream.sink import Shown, Sink
from realmaster.stream.stats import Stats

DISPLAY_WINDOWS = 4


class Display:
    """Shows finished frames to sinks.

    In a live session each sink runs in a thread of its own, so a sink that fails or hangs stops nothing else.

    Args:
        sinks: who gets the frames.
        stats: where frames shown and frames left out are counted.
        regions: the objects that stay as the game drew them.
        live: show frames at an even pace; otherwise show them as soon as they are finished.
        lossless: wait for a slow sink instead of skipping frames for it.
        clock: gives the time in seconds.
    """

    def __init__(self, sinks: Sequence[Sink], stats: Stats, regions: Regions, *, live: bool, lossless: bool,
                 clock: Callable[[], float]) -> None:
        self.stats, self.regions, self.live, self.clock = stats, regions, live, clock
        self.outlets = [Outlet(sink, lossless) for sink in sinks] if live else []
        self._sinks: Sequence[Sink] = self.outlets or sinks
        self._waiting: deque[tuple[float, Frame, NDArray[np.uint8]]] = deque()  # time due, frame, photo
        self._full_size = FullSize()
        self._presentation = Presentation()
        self._renewed = 0
        self._proved = False  # at least one frame had all the buffers that the settings need

    def __len__(self) -> int:
        """The number of frames that wait to be shown."""
        return len(self._waiting)

    @property
    def due(self) -> float | None:
        """The time at which the next frame is shown, in seconds of `clock`; None if no frame waits."""
        return self._waiting[0][0] if self._waiting else None

    def renew(self, newest_ns: int) -> None:
        """Starts the pace anew after a fault.

        Args:
            newest_ns: capture time in ns of the newest frame read. Frames up to it are shown at once, and the pace is
                set by the frames after it.
        """
        self._presentation, self._renewed = Presentation(), newest_ns + 1

    def add(self, frame: Frame, photo: NDArray[np.uint8]) -> None:
        """Queues `frame` with `photo`, the model's picture of it, (h, w, 3) u8 at the model's size."""
        due = 0.0
        if self.live and frame.t_capture_ns >= self._renewed:
            due, self._presentation = present_at(self._presentation, frame.t_capture_ns / 1e9, self.clock())
        self._waiting.append((due, frame, photo))

    def present(self, window: int) -> None:
        """Shows the frames that are due.

        Args:
            window: the number of frames in a window, 0 while no model is known.

        Raises:
            UserError: a frame lacks a buffer that the settings need, and no frame before it had them all. A later
                frame that lacks one is left out instead.
        """
        while self._waiting and (not self.live or self._waiting[0][0] <= self.clock()):
            self._present_next()
        while self.live and len(self._waiting) > DISPLAY_WINDOWS * window > 0:  # too many wait: show early
            self._present_next()
            self._presentation = Presentation()

    def _present_next(self) -> None:
        _, frame, photo = self._waiting.popleft()
        try:
            shown = self._finished(frame, photo)
        except UserError as error:
            if not self._proved:
                raise
            self.stats.leave_out(error)
        else:
            self._proved = True
            self.show(shown)

    def _finished(self, frame: Frame, photo: NDArray[np.uint8]) -> Shown:
        """Enlarges `photo` to the game's size, and puts the kept objects and the interface on top."""
        full = self._full_size(scene_of(frame), unboxed(photo, frame.size))
        return Shown(frame, with_interface(frame, self.regions.compose(frame, full)))

    def show(self, shown: Shown) -> None:
        """Shows a frame to all sinks now, and counts it if it has a photoreal picture."""
        now = self.clock()
        if shown.photo is not None:
            self.stats.shown += 1
            self.stats.rate_out.add(now)
            if self.live:
                self.stats.captured = shown.frame.t_capture_ns / 1e9
                self.stats.behind = now - self.stats.captured
                self.stats.remember("behind", self.stats.behind * 1e3)
        for sink in self._sinks:
            sink.show(shown, self.stats)

    def update(self) -> None:
        """Gives the present counts to the live sinks that ask for them (`Told`)."""
        for outlet in self.outlets:
            outlet.update(self.stats)

    def troubles(self) -> tuple[str, ...]:
        """One sentence for each sink that hangs. Errors of their threads are in `supervise.worker.troubles`."""
        return tuple(trouble for outlet in self.outlets if (trouble := outlet.trouble))

    def close(self) -> None:
        """Closes all sinks, the last one first. If closing one raises, the others are still closed."""
        with contextlib.ExitStack() as stack:
            for sink in reversed(self._sinks):
                stack.callback(sink.close)
