"""Which window is meant by a title."""

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
"""Pixels; smaller windows are helpers of programs, not for people."""
TITLE_WORDS, MOST_WINDOWS = 256, 4096
"""So much of a title is read, in units of 4 bytes, and so many windows are looked at."""


@dataclass(frozen=True)
class Found:
    """A window: `titles` are what it is called, best first; `program` its class; sizes in pixels."""

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
    """All windows of programs that have a name; what a window manager puts around them is none of them."""
    left = [MOST_WINDOWS]
    return [found for child in _children(server.screen().root) for found, _ in _under(server, child, left)]


def _children(window: Any) -> list[Any]:
    try:
        return list(window.query_tree().children)
    except XError:  # it was closed just now
        return []


def _under(server: Any, window: Any, left: list[int]) -> Iterator[tuple[Found, bool]]:
    """Windows from this one on, and whether a window manager says of each that it is a program's (WM_STATE)."""
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
    """A property's text, or something if it is no text; empty if the window has none."""
    try:
        found = window.get_property(server.get_atom(name), X.AnyPropertyType, 0, TITLE_WORDS)
        if found is None:
            return ""
        kind = server.get_atom_name(found.property_type)
    except XError:
        return ""
    return text(bytes(found.value), kind) if found.format == 8 else kind


def matching(all_windows: list[Found], title: str) -> list[Found]:
    """Those that `title` means, the largest viewable first: by id (0x...), by part of a title, else by their class."""
    if re.fullmatch("0x[0-9a-fA-F]+", title):
        return [found for found in all_windows if found.id == int(title, 16)]
    part = alike(title)
    named = ([found for found in all_windows if any(part in alike(name) for name in found.titles)]
             or [found for found in all_windows if part in alike(found.program)])
    return sorted(named, key=lambda found: (found.viewable, found.width * found.height), reverse=True)


def choose(server: Any, title: str) -> tuple[Found, list[Found]]:
    """The window that `title` means, and the others that it could mean. Raises `CaptureError` if there is none."""
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
