"""Grabs the pixels of one window by its id, wherever it is on the screen."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray
from Xlib import X, display
from Xlib.error import ConnectionClosedError, DisplayError, XauthError, XError, XNoAuthError
from Xlib.ext import composite

from capture.errors import CaptureError
from capture.frame import MAX_SIDE
from capture.x11.find import Found, choose, matching, windows
from capture.x11.images import Images
from capture.x11.titles import shown

log = logging.getLogger(__name__)
LOOK_SECONDS = 1.0
"""How often a window is searched that replaces a closed one."""
DEPTHS = 24, 32
LOST = ConnectionClosedError, DisplayError, XauthError, XNoAuthError, OSError


class WindowGrab:
    """Grabs the window that `title` means when this object is made. Raises `CaptureError` if there is none.

    The X server keeps the window's picture separate from the screen's (Composite extension, version 0.2). So windows in
    front of it do not appear. While the window is hidden, there are no pictures. After it was closed, the object waits
    for another window of the same program with the same title.
    """

    def __init__(self, title: str) -> None:
        self.title, self.trouble = title, ""
        self.jumped = True
        """See `Grab.jumped`."""
        try:
            self._server = display.Display()
        except LOST as error:
            raise CaptureError(f"no X server answers ({error}): set DISPLAY to a running one, or capture the game "
                               "itself with --source engine") from error
        self._server.set_error_handler(lambda _error, _request: None)  # a window may be closed before any request
        self._images = Images(self._server)
        self._window: Any = None
        self._look_at = 0.0
        try:
            if not self._server.has_extension(composite.extname):
                raise CaptureError("this X server has no Composite extension, so a window cannot be told from what "
                                   "lies over it: give --region to grab a part of the screen, whatever is there")
            self._server.composite_query_version()
            found, others = choose(self._server, title)
            if others:
                log.warning("%d windows match %s: grabbing the largest, %s; the others: %s; --window takes an id, too",
                            len(others) + 1, shown(title), found, ", ".join(map(str, others[:8])))
            self._follow(found)
        except (CaptureError, *LOST):
            self._server.close()
            raise

    def _follow(self, found: Found) -> None:
        self.found, self.jumped, self._gone = found, True, False
        self._window = self._server.create_resource_object("window", found.id)
        self._window.change_attributes(event_mask=X.StructureNotifyMask)
        self._window.composite_redirect_window(composite.RedirectAutomatic)
        self._server.sync()

    def picture(self) -> NDArray[np.uint8] | None:
        """See `Grab.picture`."""
        try:
            if self._window is None:
                self._look_for_successor()
            return None if self._window is None else self._grab(self._window)
        except LOST as error:
            raise CaptureError(f"the X server is gone: {error}") from error

    def _grab(self, window: Any) -> NDArray[np.uint8] | None:
        self.trouble = ""
        try:
            viewable = window.get_attributes().map_state == X.IsViewable
            border = window.get_geometry().border_width
        except XError:
            viewable, border = False, 0
        image = self._pixels(window, border) if viewable and not self._closed(window) else None
        if self._closed(window):  # it may have been closed during the grab, and another window may have its id
            self.trouble = f"the window {self.found} was closed; waiting for another one of that name"
            self._window, self.jumped = None, True
            return None
        if image is None:
            hidden = f"the window {self.found} is minimised or hidden; waiting for it to come back"
            self.trouble = self.trouble or hidden
            self.jumped = True
        return image

    def _pixels(self, window: Any, border: int) -> NDArray[np.uint8] | None:
        """The picture that the server keeps of the window, (H, W, 3) u8; None if the window was hidden meanwhile."""
        kept = window.composite_name_window_pixmap()
        try:
            shape = kept.get_geometry()
            width, height = shape.width - 2 * border, shape.height - 2 * border
            if shape.depth not in DEPTHS or max(width, height) > MAX_SIDE:
                self.trouble = (f"the window {self.found} is {width}x{height} at {shape.depth} bits a pixel: at most "
                                f"{MAX_SIDE} a side at 24 or 32 can be grabbed")
                return None
            return self._images.get(kept, border, width, height)[..., 2::-1]
        except XError:
            return None
        finally:
            kept.free()

    def _closed(self, window: Any) -> bool:
        """Whether the server has reported the window as closed. Call it after a request that waits for an answer."""
        while self._server.pending_events():
            event = self._server.next_event()
            if event.type == X.DestroyNotify and event.window.id == window.id:
                self._gone = True
        return self._gone

    def _look_for_successor(self) -> None:
        if time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + LOOK_SECONDS
        for found in matching(windows(self._server), self.title):
            if found.viewable and found.program == self.found.program:
                self._follow(found)
                return

    def close(self) -> None:
        """See `Grab.close`."""
        with suppress(*LOST):  # the connection was lost before
            self._images.close()
            self._server.close()
