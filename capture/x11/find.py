"""Finds the window that a title means."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from Xlib import X
from Xlib.error import XError

from capture.errors import CaptureError
from capture.x11.titles import alike, shown, text

LEAST_SIDE = 16
"""Windows with a shorter side, in pixels, are not for users and are ignored."""
TITLE_WORDS, MOST_WINDOWS = 256, 4096
"""The most of a title that is read, in units of 4 bytes, and the most windows that are examined."""


@dataclass(frozen=True)
class Found:
    """A window: its `titles`, best first; `program`, its class; its size in pixels; and whether it is visible."""

    id: int
    titles: tuple[str, ...]
    program: str
    width: int
    height: int
    viewable: bool

    def __str__(self) -> str:
        name = shown(self.titles[0] if self.titles else self.program)
        return f"{name} ({self.width}x{self.height}, {self.id:#x})"


def windows(server: Any) -> list[Found]:
    """All windows of programs that have a title or a class, without the frames that a window manager adds."""
    left = [MOST_WINDOWS]
    return [found for child in _children(server.screen().root) for found, _ in _under(server, child, left)]


def _children(window: Any) -> list[Any]:
    try:
        return list(window.query_tree().children)
    except XError:  # the window has just been closed
        return []


def _under(server: Any, window: Any, left: list[int]) -> Iterator[tuple[Found, bool]]:
    """The windows in this one, and for each whether a window manager has marked it as a program's (WM_STATE)."""
    left[0] -= 1
    if left[0] < 0:
        return
    managed = bool(_property(server, window, "WM_STATE"))
    below = [] if managed else [found for child in _children(window) for found in _under(server, child, left)]
    own = None if any(is_managed for _, is_managed in below) else _described(server, window)
    if own is not None:
        yield own, managed
    yield from below


def _described(server: Any, window: Any) -> Found | None:
    titles = tuple(filter(None, (_property(server, window, name) for name in ("_NET_WM_NAME", "WM_NAME"))))
    program = _property(server, window, "WM_CLASS").replace("\0", " ")
    if not titles and not program:
        return None
    try:
        attributes, shape = window.get_attributes(), window.get_geometry()
    except XError:
        return None
    viewable = (attributes.win_class == X.InputOutput and attributes.map_state == X.IsViewable
                and min(shape.width, shape.height) >= LEAST_SIDE)
    return Found(window.id, titles, program, shape.width, shape.height, viewable)


def _property(server: Any, window: Any, name: str) -> str:
    """The text of a property; the name of its type if it is no text; empty if the window does not have it."""
    try:
        found = window.get_property(server.get_atom(name), X.AnyPropertyType, 0, TITLE_WORDS)
        if found is None:
            return ""
        kind = server.get_atom_name(found.property_type)
    except XError:
        return ""
    return text(bytes(found.value), kind) if found.format == 8 else kind


def matching(all_windows: list[Found], title: str) -> list[Found]:
    """The windows that `title` means, the largest visible one first.

    `title` is an id (0x...), a part of a title, or, if no title has it, a part of a class.
    """
    if re.fullmatch("0x[0-9a-fA-F]+", title):
        return [found for found in all_windows if found.id == int(title, 16)]
    part = alike(title)
    named = ([found for found in all_windows if any(part in alike(name) for name in found.titles)]
             or [found for found in all_windows if part in alike(found.program)])
    return sorted(named, key=lambda found: (found.viewable, found.width * found.height), reverse=True)


def choose(server: Any, title: str) -> tuple[Found, list[Found]]:
    """The window that `title` means, and the others that match. Raises `CaptureError` if there is none to show."""
    if not title.strip():
        raise CaptureError("say which window: part of its title, as in --window SuperTux")
    there = windows(server)
    matches = matching(there, title)
    if not matches:
        listed = ", ".join(sorted({shown(found.titles[0]) for found in there if found.titles})[:8]) or "none at all"
        hint = " (under Wayland only X11 programs' windows are found)" if os.environ.get("WAYLAND_DISPLAY") else ""
        raise CaptureError(f"no window has {shown(title)} in its title; there are: {listed}{hint}")
    if not matches[0].viewable:
        raise CaptureError(f"the window {matches[0]} is minimised, hidden or a helper: show the game's window first")
    return matches[0], matches[1:]
