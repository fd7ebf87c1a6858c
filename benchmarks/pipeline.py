"""CPU time a frame of everything but the model, for a game at 1280x720: capture, windows, wire, stitching, preview.

The whole of `realmaster live` runs in its real processes, with a renderer that hands its input back,
and a viewer that takes every frame. It runs twice: with the window of the tiny model (256x144), and
with one of 1280x720. CPU seconds are read from the kernel for the session's process and the
server's; the game's and the viewer's are not ours and not counted. A third run adds the replay, which
remembers the last seconds without loss.
"""

from __future__ import annotations

import argparse
import tempfile
import time

from benchmarks.common import child, cpu_seconds, machine, watch

GAME = """
import sys, time
import numpy as np
from capture.frame import Buffer, Encoding, Frame, Kind
from engine_plugins.publish import play
H, W = 720, 1280
y, x = np.mgrid[0:H, 0:W]
image = np.stack([x % 256, y % 256, (x + y) % 256, 0 * x + 255], -1).astype(np.uint8)
rest = {Kind.DEPTH: Buffer(Encoding.INVERSE_Z, np.ones((H, W, 1), np.float16)),
        Kind.MOTION: Buffer(Encoding.PIXELS, np.ones((H, W, 2), np.float16))}
def frame(i):
    shifted = np.roll(image, 4 * i, 1)
    return Frame(i, time.monotonic_ns(), {Kind.COLOR: Buffer(Encoding.RGBA8, shifted), **rest})
play(sys.argv[1], 24, False, frame)
"""
SERVER = """
import sys
from bridge.contract import ModelSpec
from bridge.contract import Rendered
from bridge.server import BridgeServer
class Echo:
    pipelined = False
    spec = ModelSpec(model="echo", width=int(sys.argv[2]), height=int(sys.argv[3]), length=13, overlap=5)
    def render(self, window, frames, carry):
        return Rendered(None, lambda: (frames, {"echo": 0.0}))
BridgeServer(sys.argv[1], Echo).run()
"""


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=15.0)
    seconds = parser.parse_args().seconds
    print(machine())
    for width, height, replay in ((256, 144, 0), (1280, 720, 0), (1280, 720, 30)):
        measure(width, height, replay, seconds)


def measure(width: int, height: int, replay: int, seconds: float) -> None:
    """One run with windows of `width` x `height` and so many seconds of replay, one line."""
    ring = f"bench-{time.monotonic_ns()}"
    with tempfile.TemporaryDirectory() as folder:
        server, game = child(SERVER, f"ipc://{folder}/s", str(width), str(height)), child(GAME, ring)
        live = child("from realmaster.cli import main; main()", "live", "--port", "0", "--game", "none", "--ring", ring,
                     "--server", f"ipc://{folder}/s", "--replay-seconds", str(replay))
        try:
            assert live.stdout is not None
            address = live.stdout.readline().split(" is at ")[1].split()[0]
            watch(address, 4.0)  # until all of it runs evenly
            before = {p: cpu_seconds(p.pid) for p in (live, server)}
            pairs, rows = watch(address, seconds)
            used = {p: cpu_seconds(p.pid) - before[p] for p in (live, server)}
        finally:
            for process in (live, game, server):
                process.terminate()
                process.communicate()
    print(f"window {width}x{height}, replay {replay} s: {pairs / seconds:.1f} pairs/s watched, "
          f"{rows[-1]['behind']} s behind the game; "
          f"CPU a frame: session, capture and preview {used[live] / pairs * 1e3:.1f} ms, "
          f"server's end of the wire {used[server] / pairs * 1e3:.1f} ms, "
          f"together {sum(used.values()) / pairs * 1e3:.1f} ms")


if __name__ == "__main__":
    main()
