"""`realmaster live` for as long as asked, with its game, server and viewer killed at random, from a seed.

    python -m benchmarks.soak --seconds 600 --kills 200

Prints at the end: uptime of each part, frames in, out and dropped by cause (which must add up), how
long the stream took to go on after each return, what publishing cost the game, and memory, open
handles and seconds behind over time. The exit status is 1 if frames are unaccounted for.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.common import machine, part_of, percentiles
from capture.ring import ring_path

GAME = """
import sys, time
from tests.conftest import moving_frames
from capture.frame import Frame
from capture.ring import RingWriter
from engine_plugins import publish
class Timed(RingWriter):
    def publish(self, frame):
        wall, cpu = time.perf_counter(), time.thread_time()
        super().publish(frame)
        print(f"{(time.perf_counter() - wall) * 1e3:.2f} {(time.thread_time() - cpu) * 1e3:.2f}", flush=True)
publish.RingWriter = Timed
frames = moving_frames(60, 320, 180)
publish.play(sys.argv[1], 24, False, lambda i: Frame(i, time.monotonic_ns(), frames[i % 60].buffers))
"""
VIEWER = "import sys; from benchmarks.common import watch; watch(sys.argv[1], 1e9)"
POLL_SECONDS = 0.02
MOURNING_SECONDS = (0.1, 1.0)
"""How long a killed part stays away."""


@dataclass
class Part:
    """A process that is killed and started again; `ready` tells whether it could do its work."""

    name: str
    arguments: list[str]
    log: Path
    ready: Callable[[], bool]
    kills: int = 0
    down: float = 0.0
    died: float = 0.0
    resumes: list[float] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it; what it says is appended to its log."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([sys.executable, *self.arguments], stdout=log, stderr=subprocess.STDOUT)

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self.kills, self.died = self.kills + 1, time.monotonic()


@dataclass
class Samples:
    """One row a second: seconds, memory in MB, handles, seconds behind."""

    rows: list[tuple[float, float, int, float]] = field(default_factory=list)

    def table(self) -> str:
        """Ten rows of it."""
        lines = ["       s  memory MB  handles  behind s"]
        lines += [f"{s:8.0f}  {mb:9.1f}  {n:7}  {b:8.2f}" for s, mb, n, b in self.rows[::max(1, len(self.rows) // 10)]]
        return "\n".join(lines)


def metric(address: str, name: str) -> float:
    """One of the numbers of `/metrics`."""
    with urllib.request.urlopen(part_of(address, "/metrics"), timeout=5) as answer:  # noqa: S310  loopback
        found = re.search(rf"^realmaster_{name} (\S+)$", answer.read().decode(), re.MULTILINE)
    return float(found[1]) if found else 0.0


class Soak:
    """The whole cast, and what happens to it."""

    def __init__(self, folder: Path, seed: int, rest: list[str]) -> None:
        self.rng, self.folder = np.random.default_rng(seed), folder
        ring, socket = f"soak-{os.getpid()}", f"ipc://{folder}/server"
        self.log = folder / "live.jsonl"
        self.live = subprocess.Popen(
            [sys.executable, "-m", "realmaster", "live", "--port", "0", "--game", "none", "--ring", ring, "--server",
             socket, "--log-json", str(self.log), *rest], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.live.stdout is not None
        self.address = self.live.stdout.readline().split(" is at ")[1].split()[0]
        self.server = Part("server", ["-m", "realmaster", "serve", "--bind", socket], folder / "server.log",
                           lambda: self._says(self.server, "ready"))
        self.game = Part("game", ["-c", GAME, ring], folder / "game.log",
                         lambda: ring_path(ring).exists() and self._says(self.game, " "))
        self.viewer = Part("viewer", ["-c", VIEWER, self.address], folder / "viewer.log", lambda: True)
        self.parts = (self.server, self.game, self.viewer)
        self.samples, self.started = Samples(), time.monotonic()

    def _says(self, part: Part, word: str) -> bool:
        return word in part.log.read_text(errors="replace")[self.mark:]

    def shown(self) -> float:
        """Photoreal frames shown so far."""
        return metric(self.address, "frames_shown_total")

    def wait(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Samples while it waits; whether `condition` came true within `seconds`."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            self.sample()
            if condition():
                return True
            time.sleep(POLL_SECONDS)
        return False

    def sample(self) -> None:
        """A row a second."""
        now = time.monotonic() - self.started
        if self.samples.rows and now - self.samples.rows[-1][0] < 1:
            return
        status = Path(f"/proc/{self.live.pid}/status").read_text()
        memory = int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]
        handles = len(list(Path(f"/proc/{self.live.pid}/fd").iterdir()))
        self.samples.rows.append((now, memory, handles, metric(self.address, "behind_now_seconds")))

    def run(self, seconds: float, kills: int) -> None:
        """Spreads the kills evenly over the time, each on one part."""
        self.mark = 0
        for part in self.parts:
            part.start()
        assert self.wait(lambda: self.shown() > 0, 60), "the stream never began"
        self.started = time.monotonic()
        for n in range(kills):
            due = self.started + seconds * (n + self.rng.uniform(0.2, 0.8)) / kills
            self.wait(lambda: False, max(0.0, due - time.monotonic()))
            self.drill(self.parts[int(self.rng.integers(3))])
        self.wait(lambda: False, max(0.0, self.started + seconds - time.monotonic()))

    def drill(self, part: Part) -> None:
        """Kills a part, brings it back, and times how long after its return the stream goes on."""
        self.mark = part.log.stat().st_size
        part.kill()
        self.wait(lambda: False, float(self.rng.uniform(*MOURNING_SECONDS)))
        self.mark = part.log.stat().st_size
        part.start()
        assert self.wait(part.ready, 60), f"the {part.name} did not come back"
        back = time.monotonic()
        part.down += back - part.died
        # What was captured after the death of a game or server can only have come by way of its successor.
        assert self.wait(lambda: metric(self.address, "last_capture_seconds") > part.died, 60), \
            f"the stream stopped with the {part.name}"
        part.resumes.append(time.monotonic() - back)

    def end(self) -> dict[str, object]:
        """Stops all; the live process's own last word."""
        self.live.send_signal(signal.SIGINT)
        self.live.communicate(timeout=60)
        for part in self.parts:
            part.kill()
        return json.loads(self.log.read_text().splitlines()[-1])

    def report(self, last: dict[str, object]) -> int:
        """Prints everything; returns how many frames are unaccounted for."""
        total = time.monotonic() - self.started
        for part in (self.server, self.game, self.viewer):
            resumes = f"{percentiles(part.resumes)} s, max {max(part.resumes):.2f}" if part.resumes else "-"
            up = 100 * (1 - part.down / total)
            print(f"{part.name}: killed {part.kills} times, up {up:.1f}% of the time; after its return the first frame "
                  f"from after the kill was shown within {resumes}")
        print(f"live: up 100% of {total:.0f} s, exit status {self.live.returncode}")
        dropped = last["dropped"]
        assert isinstance(dropped, dict)
        read, shown = int(str(last["read"])), int(str(last["shown"]))
        lost = sum(n for cause, n in dropped.items() if cause != "source")
        print(f"frames: {read} read = {shown} shown + {lost} dropped {dropped} + {read - shown - lost} unexplained")
        costs = np.array([[float(v) for v in line.split()] for line in self.game.log.read_text().splitlines()
                          if re.fullmatch(r"[\d.]+ [\d.]+", line)])
        print(f"publishing a frame cost the game ms: {percentiles(costs[:, 0].tolist())}, max {costs[:, 0].max():.1f}; "
              f"of CPU time max {costs[:, 1].max():.1f}")
        print(self.samples.table())
        return read - shown - lost


def main() -> None:
    """Runs it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    known, rest = parser.parse_known_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a polite end ends the children, too
    print(machine(), f"seed {known.seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        soak = Soak(Path(folder), known.seed, rest)
        try:
            soak.run(known.seconds, known.kills)
            last = soak.end()
        finally:
            for process in (soak.live, *(p.process for p in soak.parts if p.process)):
                process.kill()
        unexplained = soak.report(last)
    sys.exit(int(unexplained != 0))


if __name__ == "__main__":
    main()
