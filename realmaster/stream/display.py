"""The end of the loop: finished frames wait here until they are due, and then go to the sinks.

Queue: `DISPLAY_WINDOWS` windows of frames; when it is full, the oldest are shown early. Offline nothing waits.
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
    """Shows frames to sinks, which a live session isolates from itself and from each other."""

    def __init__(self, sinks: Sequence[Sink], stats: Stats, regions: Regions, *, live: bool, lossless: bool,
                 clock: Callable[[], float]) -> None:
        self.stats, self.regions, self.live, self.clock = stats, regions, live, clock
        self.outlets = [Outlet(sink, lossless) for sink in sinks] if live else []
        self._sinks: Sequence[Sink] = self.outlets or sinks
        self._waiting: deque[tuple[float, Frame, NDArray[np.uint8]]] = deque()  # when due, and the model's picture
        self._full_size = FullSize()
        self._presentation = Presentation()
        self._renewed = 0
        self._proved = False  # some frame had all that the settings need

    def __len__(self) -> int:
        """Frames that wait."""
        return len(self._waiting)

    @property
    def due(self) -> float | None:
        """When the next frame is to be shown, by the clock; None if none waits."""
        return self._waiting[0][0] if self._waiting else None

    def renew(self, newest_ns: int) -> None:
        """After a fault: frames up to then are shown at once, and do not set the pace for those after them."""
        self._presentation, self._renewed = Presentation(), newest_ns + 1

    def add(self, frame: Frame, photo: NDArray[np.uint8]) -> None:
        """Takes a frame and the model's picture of it."""
        due = 0.0
        if self.live and frame.t_capture_ns >= self._renewed:
            due, self._presentation = present_at(self._presentation, frame.t_capture_ns / 1e9, self.clock())
        self._waiting.append((due, frame, photo))

    def present(self, window: int) -> None:
        """Shows what is due. `window` is the number of frames in a window, 0 if there is none.

        Raises `UserError` if the first frames lack what the settings need; a later one is left out.
        """
        while self._waiting and (not self.live or self._waiting[0][0] <= self.clock()):
            self._present_next()
        while self.live and len(self._waiting) > DISPLAY_WINDOWS * window > 0:  # what waits need not wait so long
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
        """The model's picture of `frame` at the game's size, with what stays as the game drew it."""
        full = self._full_size(scene_of(frame), unboxed(photo, frame.size))
        return Shown(frame, with_interface(frame, self.regions.compose(frame, full)))

    def show(self, shown: Shown) -> None:
        """Shows a frame now."""
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
        """Tells live sinks how things stand."""
        for outlet in self.outlets:
            outlet.update(self.stats)

    def troubles(self) -> tuple[str, ...]:
        """What is wrong with the sinks, a sentence each, but for what their threads have raised."""
        return tuple(trouble for outlet in self.outlets if (trouble := outlet.trouble))

    def close(self) -> None:
        """Closes all sinks, whatever closing one of them raises."""
        with contextlib.ExitStack() as stack:
            for sink in reversed(self._sinks):
                stack.callback(sink.close)
