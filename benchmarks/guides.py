"""How well captured buffers fit: what warping by them gains, game by game, as `realmaster check-plugin` measures it.

`python -m benchmarks.guides [GAME ...]` plays every game of the tests that is installed: those that know nothing of
RealMaster under `capture-game`, and our own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.capture import display
from benchmarks.common import machine
from capture.frame import Frame
from capture.source import Pacing
from realmaster.guides.probe import examine
from tests.foreign import FOREIGN, Foreign, captured, opened, played, read_until

OWN = {"demo game": "engine_plugins.demo_game", "ViZDoom": "engine_plugins.vizdoom_game",
       "Panda3D plugin": "engine_plugins.panda3d_game"}
FRAMES = 96
STILL, SHARE = "gain where the world stands still, dB", "share of that"
WHOLE, VECTORS = "gain by depth and camera, dB", "gain by motion vectors, dB"


def own(module: str, ring: str) -> list[Frame]:
    """Frames of a game of ours, frame by frame."""
    game = subprocess.Popen([sys.executable, "-m", module, "--ring", ring, "--framelocked"])
    try:
        with opened(ring, Pacing.FRAMELOCKED) as source:
            return read_until(source, lambda frames: len(frames) >= FRAMES)
    finally:
        game.terminate()
        game.wait()


def foreign(game: Foreign, ring: str) -> list[Frame]:
    """Frames of a game that knows nothing of us, once it is in play."""
    with (tempfile.TemporaryDirectory() as folder, display() as screen,
          captured(game, Path(folder), screen, ring, "--server", "none"), opened(ring, Pacing.GENLOCKED) as source):
        return played(source, game, screen, 240)


def line(name: str, frames: Sequence[Frame]) -> None:
    """Prints a game's row, and what is wrong with it."""
    seen = examine(frames)
    figures = [seen.figures.get(key) for key in (STILL, SHARE, WHOLE, VECTORS)]
    cells = ["" if value is None else f"{value:.0%}" if i == 1 else f"{value:.1f} dB"
             for i, value in enumerate(figures)]
    print(f"{name:20} {cells[0]:>10} {cells[1]:>8} {cells[2]:>10} {cells[3]:>10}", flush=True)
    for finding in seen.findings:
        if finding.wrong:
            print(f"    WRONG: {finding.about}: {finding.text}")


def main() -> None:
    """Prints the table."""
    chosen = sys.argv[1:]
    print(f"{machine()}\n{'gain':20} {'still':>10} {'share':>8} {'all':>10} {'vectors':>10}")
    for i, (name, module) in enumerate(OWN.items()):
        if not chosen or name in chosen:
            line(name, own(module, f"guides-{os.getpid()}-own{i}"))
    for name, game in FOREIGN.items():
        with tempfile.TemporaryDirectory() as folder:
            program = game.command(Path(folder))[0]
        there = shutil.which(program, path=f"{os.environ['PATH']}:/usr/games")
        if there and (not chosen or name in chosen):
            line(name, foreign(game, f"guides-{os.getpid()}-{name}"))


if __name__ == "__main__":
    main()
