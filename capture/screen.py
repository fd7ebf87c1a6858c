"""Grabs frames from the screen: a region of it (X11, Windows, macOS) or one window (X11).

Polling gives the same picture several times; repeated pictures are dropped without being counted. A screen gives no
depth and no frame numbers. A region shows everything that lies there. A window is grabbed alone, see
`capture.x11.window`.
"""

from __future__ import annotations

import os
import sys
import time
from fractions import Fraction
from typing import Protocol

import mss
import numpy as np
from mss.exception import ScreenShotError
from numpy.typing import NDArray

from capture.errors import CaptureError
from capture.frame import Flags, Frame, color_frame
from capture.source import SourceInfo

Region = tuple[int, int, int, int]  # left, top, width, height in pixels
LOOK_SECONDS = 2.0
"""How often the size of a whole screen is checked, and a failed grab is tried again."""


class Grab(Protocol):
    """A region or a window from which pictures are grabbed."""

    jumped: bool
    """Whether the next picture has nothing to do with the last one. The reader sets it to false."""

    @property
    def trouble(self) -> str:
        """Why there is no picture, in one sentence; empty if all is well."""
        ...

    def picture(self) -> NDArray[np.uint8] | None:
        """Grabs a picture, (H, W, 3) u8 RGB; None if there is none now. Raises `CaptureError` if that fails."""
        ...

    def close(self) -> None:
        """Ends grabbing. May be called twice."""
        ...


def parse_region(text: str) -> Region:
    """Parses a region such as `"640x360+10+20"`. Raises `CaptureError` if `text` is not one."""
    try:
        size, left, top = text.split("+")
        width, height = (int(v) for v in size.split("x"))
        region = int(left), int(top), width, height
    except ValueError as error:
        raise CaptureError(f"region {text!r}: write it as WIDTHxHEIGHT+LEFT+TOP, for example 640x360+0+0") from error
    if width < 16 or height < 16:
        raise CaptureError(f"region {text!r} is too small: at least 16x16")
    return region


def window_grab(title: str) -> Grab:
    """Finds a window by a part of its title or by its id (X11 only). Raises `CaptureError` if there is none."""
    if not sys.platform.startswith("linux"):
        raise CaptureError("finding a window by title works on X11 only: give --region WIDTHxHEIGHT+LEFT+TOP")
    _check_display()
    from capture.x11.window import WindowGrab

    return WindowGrab(title)


def _check_display() -> None:
    if os.environ.get("XDG_SESSION_TYPE") == "wayland" and not os.environ.get("DISPLAY"):
        raise CaptureError("screens cannot be grabbed under Wayland: log in to an X11 session, "
                           "or capture the game itself with --source engine")


class RegionGrab:
    """Grabs a region of the screen, or the whole first monitor. Raises `CaptureError` if there is no screen."""

    def __init__(self, region: Region | None = None) -> None:
        self.region, self.trouble, self.jumped = region, "", True
        _check_display()
        self._grabber: mss.MSS | None = None
        self._open()

    def _open(self) -> None:
        """Opens the screen again, and reads its size."""
        self.close()
        self._look_at = time.monotonic() + LOOK_SECONDS
        try:
            self._grabber = mss.MSS()
            monitors = self._grabber.monitors  # the whole screen, then each monitor
        except ScreenShotError as error:
            raise CaptureError("no screen to grab: set DISPLAY to a running X server, "
                               "or capture the game itself with --source engine") from error
        monitor = (monitors[1:] or monitors)[0]
        left, top, width, height = self.region or (monitor["left"], monitor["top"], monitor["width"], monitor["height"])
        self.area = {"left": left, "top": top, "width": width, "height": height}

    def picture(self) -> NDArray[np.uint8] | None:
        """See `Grab.picture`."""
        if time.monotonic() > self._look_at and (self.trouble or self.region is None):
            self._open()
        assert self._grabber is not None
        try:
            shot = self._grabber.grab(self.area)
        except ScreenShotError:
            self.trouble = (f"the region {self.area['width']}x{self.area['height']}+{self.area['left']}+"
                            f"{self.area['top']} cannot be grabbed: is it on the screen?")
            self.jumped = True
            return None
        self.trouble = ""
        return np.frombuffer(shot.bgra, np.uint8).reshape(shot.height, shot.width, 4)[..., 2::-1]

    def close(self) -> None:
        """See `Grab.close`."""
        if self._grabber is not None:
            self._grabber.close()
        self._grabber = None


class ScreenSource:
    """Grabs up to `rate` pictures per second from `grab`. Raises `CaptureError` if there is none at the start."""

    def __init__(self, grab: Grab, rate: float = 30.0) -> None:
        self.grab = grab
        image = grab.picture()
        if image is None:
            grab.close()
            raise CaptureError(grab.trouble)
        self.info = SourceInfo("screen", image.shape[1], image.shape[0], Fraction(rate).limit_denominator(1001),
                               live=True)
        self.period, self.due = 1.0 / rate, time.monotonic()
        self.last: NDArray[np.uint8] | None = None
        self.next_id = 0

    @property
    def trouble(self) -> str:
        """See `FrameSource.trouble`."""
        return self.grab.trouble

    def read(self, timeout: float) -> Frame | None:
        """See `FrameSource.read`. Returns None if nothing on the screen has changed within `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while True:
            wait = self.due - time.monotonic()
            if self.due > deadline:
                time.sleep(max(0.0, deadline - time.monotonic()))
                return None
            time.sleep(max(0.0, wait))
            now = time.monotonic_ns()
            self.due = max(self.due + self.period, time.monotonic())
            image = self.grab.picture()
            if image is not None and (frame := self._new(image, now)) is not None:
                return frame

    def _new(self, image: NDArray[np.uint8], now: int) -> Frame | None:
        """The picture as a frame; None if it equals the last one. `now` is in ns."""
        last, self.last = self.last, image
        jumped = self.grab.jumped or last is None or last.shape != image.shape
        if last is not None and not jumped and np.array_equal(image, last):
            return None
        self.grab.jumped = False
        self.info = SourceInfo(self.info.name, image.shape[1], image.shape[0], self.info.rate, live=True)
        self.next_id += 1
        return color_frame(self.next_id - 1, now, image, t_game=now / 1e9,
                           flags=Flags.HUD_IN_COLOR | (Flags.RESET if jumped else Flags.NONE))

    def keep_alive(self) -> None:
        """See `FrameSource.keep_alive`. Does nothing, because no game waits."""

    def close(self) -> None:
        """See `FrameSource.close`."""
        self.grab.close()
