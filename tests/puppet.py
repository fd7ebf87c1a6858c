"""Plugins' own code in a program that draws a frame for each line it is sent, and says in the end what it skipped."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path

import numpy as np

from capture.engine import EngineSource
from capture.errors import SourceEnded
from capture.frame import Frame
from capture.source import Pacing

_PLACES = np.arange(16).reshape(4, 4).T / 64
PROJECTION = np.eye(4) - _PLACES


def view(n: int) -> np.ndarray:
    """The view of frame `n`, for column vectors, as Program.cs and shots.cpp make it."""
    made = np.eye(4) + _PLACES
    made[:3, 3] += 100 * n
    made[3] = 0, 0, 0, 1
    return made


def play(command: Sequence[str], ring: str, count: int, delay: int, folder: Path) -> tuple[list[Frame], int]:
    """Frames of `count` that a reader got who comes once `delay` readbacks are under way, and how many were skipped."""
    game = subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert game.stdin is not None and game.stdout is not None
    frames: list[Frame] = []
    try:
        for _ in range(delay + 4):  # the first frame is handed over unasked
            _step(game)
        with closing(EngineSource(ring, Pacing.GENLOCKED)) as source, suppress(SourceEnded):
            for _ in range(count - delay - 4):
                while (frame := source.read(0.02)) is not None:
                    frames.append(frame)
                _step(game)
            while (frame := source.read(0.5)) is not None:
                frames.append(frame)
        out = game.stdout.read()
        assert game.wait(10) == 0
    finally:
        game.kill()
    return frames, int(out)


def _step(game: subprocess.Popen[str]) -> None:
    assert game.stdin is not None
    game.stdin.write("\n")
    game.stdin.flush()
