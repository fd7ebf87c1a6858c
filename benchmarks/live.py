"""`realmaster live` beside the demo game, as a user runs it: frames a second, seconds behind, drops, over time.

Prints a row for every tenth of the run and the extremes; with `--seconds 600` it is the ten-minute
test. Also prints what attaching costs the game: its frame rate alone and attached, at full speed.
"""

from __future__ import annotations

import argparse
import sys
import time
from subprocess import PIPE, Popen

import numpy as np

from benchmarks.common import machine, percentiles, watch

GAME = [sys.executable, "-m", "engine_plugins.demo_game"]


def live(seconds: float, arguments: list[str]) -> None:
    """Runs it and prints the table."""
    process = Popen([sys.executable, "-m", "realmaster", "live", "--port", "0", *arguments], stdout=PIPE, text=True)
    try:
        assert process.stdout is not None
        address = process.stdout.readline().split(" is at ")[1].split()[0]
        watch(address, 10.0)  # loading and settling
        _, rows = watch(address, seconds)
    finally:
        process.terminate()
        process.communicate()
    out, behind = [r["fps_out"] for r in rows], [r["behind"] for r in rows]
    print("     s  fps in  fps out  behind s  dropped")
    for row in rows[::max(1, len(rows) // 10)]:
        print(f"{rows.index(row) / 2:6.0f}  {row['fps_in']:6.1f}  {row['fps_out']:7.1f}  {row['behind']:8.2f}  "
              f"{row['dropped']}")
    print(f"fps out: min {min(out):.1f}, mean {np.mean(out):.1f} | seconds behind: {percentiles(behind)}, "
          f"max {max(behind):.2f} | ms a window: {rows[-1]['stage_ms']}")


READER = """
import sys
from capture.engine import EngineSource
from capture.errors import SourceEnded
source = EngineSource(sys.argv[1])
try:
    while True: source.read(1)
except SourceEnded: pass
"""


def game_rate(frames: int, attached: bool) -> float:
    """The demo game's own frames a second, unlimited, with or without a reader."""
    ring = f"bench-{time.monotonic_ns()}"
    started = time.monotonic()
    empty = Popen([*GAME, "--ring", ring, "--fps", "0", "--frames", "1"])
    empty.wait()
    start_up = time.monotonic() - started
    started = time.monotonic()
    game = Popen([*GAME, "--ring", ring, "--fps", "0", "--frames", str(frames)])
    reader = Popen([sys.executable, "-c", READER, ring], stderr=PIPE) if attached else None
    game.wait()
    rate = (frames - 1) / (time.monotonic() - started - start_up)
    if reader is not None:
        reader.communicate()
    return rate


def main() -> None:
    """Prints both parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    known, rest = parser.parse_known_args()
    print(machine())
    live(known.seconds, rest)
    pairs = [(game_rate(300, False), game_rate(300, True)) for _ in range(3)]
    alone, attached = (float(np.median([p[i] for p in pairs])) for i in (0, 1))
    print(f"demo game at full speed, 640x360: {alone:.1f} fps with nobody reading, {attached:.1f} fps attached "
          f"({attached / alone:.3f} of it)")


if __name__ == "__main__":
    main()
