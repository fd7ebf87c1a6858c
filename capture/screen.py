"""Frames grabbed from the screen: a region, or the window with a given title (X11, Windows, macOS).

Polling a screen gives duplicates; identical images are dropped here, silently, as they carry no
time. There is no depth and no frame number in a screen, and whatever covers the window is grabbed too.
"""

from __future__ import annotations

import os
import sys
import time
from fractions import Fraction

import mss
import numpy as np
from mss.exception import ScreenShotError
from numpy.typing import NDArray

from capture.errors import CaptureError
from capture.frame import Flags, Frame, color_frame
from capture.source import SourceInfo

Region = tuple[int, int, int, int]  # left, top, width, height in pixels


def parse_region(text: str) -> Region:
    """`"640x360+10+20"` to a region. Raises `CaptureError`."""
    try:
        size, left, top = text.split("+")
        width, height = (int(v) for v in size.split("x"))
        region = int(left), int(top), width, height
    except ValueError as error:
        raise CaptureError(f"region {text!r}: write it as WIDTHxHEIGHT+LEFT+TOP, for example 640x360+0+0") from error
    if width < 16 or height < 16:
        raise CaptureError(f"region {text!r} is too small: at least 16x16")
    return region


def window_region(title: str) -> Region:
    """Where the first window whose title contains `title` lies (X11 only)."""
    if not sys.platform.startswith("linux"):
        raise CaptureError("finding a window by title works on X11 only: give --region WIDTHxHEIGHT+LEFT+TOP")
    from Xlib import display
    from Xlib.error import ConnectionClosedError, DisplayError, XError

    try:
        root = (server := display.Display()).screen().root
        stack, titles = [root], []
        while stack:
            window = stack.pop()
            name = window.get_wm_name()
            name = name.decode("utf-8", "replace") if isinstance(name, bytes) else name
            if name and window is not root:
                titles.append(name)
                if title.lower() in name.lower():
                    shape, place = window.get_geometry(), window.translate_coords(root, 0, 0)
                    server.close()
                    return -place.x, -place.y, shape.width, shape.height
            stack += window.query_tree().children
    except (ConnectionClosedError, DisplayError, XError) as error:
        raise CaptureError(f"cannot ask the X server for its windows: {error}") from error
    server.close()
    listed = ", ".join(sorted(set(titles))[:8]) or "none at all"
    raise CaptureError(f"no window has {title!r} in its title; there are: {listed}")


class ScreenSource:
    """Grabs `region` (or the whole first monitor) at up to `rate` images a second."""

    trouble = ""

    def __init__(self, region: Region | None = None, rate: float = 30.0) -> None:
        if os.environ.get("XDG_SESSION_TYPE") == "wayland" and not os.environ.get("DISPLAY"):
            raise CaptureError("screens cannot be grabbed under Wayland: log in to an X11 session, "
                               "or capture the game itself with --source engine")
        try:
            self.grabber = mss.MSS()
            monitor = self.grabber.monitors[1]
        except (ScreenShotError, IndexError) as error:
            raise CaptureError("no screen to grab: set DISPLAY to a running X server, "
                               "or capture the game itself with --source engine") from error
        left, top, width, height = region or (monitor["left"], monitor["top"], monitor["width"], monitor["height"])
        self.area = {"left": left, "top": top, "width": width, "height": height}
        self.info = SourceInfo("screen", width, height, Fraction(rate).limit_denominator(1001), live=True)
        self.period, self.due = 1.0 / rate, time.monotonic()
        self.last: NDArray[np.uint8] | None = None
        self.next_id = 0
        self.read_area()

    def read_area(self) -> NDArray[np.uint8]:
        """One grab, (H, W, 3) u8."""
        try:
            shot = self.grabber.grab(self.area)
        except ScreenShotError as error:
            raise CaptureError(f"the region {self.area} cannot be grabbed: is it on the screen?") from error
        return np.frombuffer(shot.bgra, np.uint8).reshape(shot.height, shot.width, 4)[..., 2::-1]

    def read(self, timeout: float) -> Frame | None:
        """See `FrameSource.read`; None when nothing on the screen changed in time."""
        deadline = time.monotonic() + timeout
        while True:
            wait = self.due - time.monotonic()
            if self.due > deadline:
                time.sleep(max(0.0, deadline - time.monotonic()))
                return None
            time.sleep(max(0.0, wait))
            now = time.monotonic_ns()
            self.due = max(self.due + self.period, time.monotonic())
            image = self.read_area()
            if self.last is None or not np.array_equal(image, self.last):
                first, self.last = self.last is None, image
                self.next_id += 1
                return color_frame(self.next_id - 1, now, image, t_game=now / 1e9,
                                   flags=Flags.HUD_IN_COLOR | (Flags.RESET if first else Flags.NONE))

    def keep_alive(self) -> None:
        """See `FrameSource.keep_alive`: nothing waits for this source's reader."""

    def close(self) -> None:
        """See `FrameSource.close`."""
        self.grabber.close()
