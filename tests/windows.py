"""Real windows for tests: an SDL2 one in a process of its own, and bare ones that are whatever a test wants."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from Xlib import X, display

SDL = """
import os, sys
os.environ["SDL_VIDEODRIVER"] = "x11"
import pygame
title, colour, size = sys.argv[1], eval(sys.argv[2]), (int(sys.argv[3]), int(sys.argv[4]))
screen = pygame.display.set_mode(size, pygame.RESIZABLE)
pygame.display.set_caption(title)
clock = pygame.time.Clock()
for n in range(10**9):
    pygame.event.pump()
    pygame.display.get_surface().fill((*colour, n % 256))
    pygame.display.flip()
    clock.tick(60)
"""


@contextmanager
def sdl_window(title: str, green: int, size: tuple[int, int] = (320, 200)) -> Iterator[subprocess.Popen[bytes]]:
    """An SDL2 window of red 10, this green, and a blue that changes."""
    process = subprocess.Popen([sys.executable, "-c", SDL, title, repr((10, green)), *map(str, size)],
                               stdout=subprocess.DEVNULL, env={**os.environ, "LC_ALL": "C.UTF-8"})
    try:
        yield process
    finally:
        process.kill()
        process.wait()


class Bare:
    """A window made by hand, of one colour; `server` is its own connection, closed with it."""

    def __init__(self, colour: int, place: tuple[int, int, int, int], **attributes: Any) -> None:
        self.server = display.Display()
        self.root = self.server.screen().root
        self.window = self.root.create_window(*place, 3, X.CopyFromParent, X.InputOutput, background_pixel=colour,
                                              **attributes)

    def call(self, name: str, kind: str, value: bytes) -> None:
        """Sets a property of bytes."""
        self.window.change_property(self.server.intern_atom(name), self.server.intern_atom(kind), 8, value)
        self.server.sync()

    def show(self, title: str | None = None) -> Bare:
        """Maps it, and names it."""
        if title is not None:
            self.call("_NET_WM_NAME", "UTF8_STRING", title.encode())
        self.window.map()
        self.server.sync()
        return self

    def close(self) -> None:
        """Destroys it."""
        self.server.close()
