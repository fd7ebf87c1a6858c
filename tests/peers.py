"""Real games and servers in processes of their own, which drills and the soak kill, pause and start again."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

from capture.engine import EngineSource
from capture.errors import SourceEnded
from capture.frame import Frame
from capture.ring.file import RingFile
from capture.source import Pacing

GAME = """
import sys, time
from tests.conftest import moving_frames
from capture.frame import Frame
from engine_plugins.publish import play
ring, fps, width, height = sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
frames = moving_frames(60, width, height)
play(ring, fps, False, lambda i: Frame(i, time.monotonic_ns(), frames[i % 60].buffers))
"""
SERVER = """
import sys
from bridge.server import BridgeServer
from tests.fakes import TintBackend
BridgeServer(sys.argv[1], TintBackend).run()
"""


def play_locked(module: str, ring: str, frames: int, *arguments: str) -> list[Frame]:
    """All frames of a frame-locked run of a game."""
    game = subprocess.Popen([sys.executable, "-m", module, "--ring", ring, "--framelocked", "--fps", "0", "--frames",
                             str(frames), *arguments], stderr=subprocess.DEVNULL)
    read: list[Frame] = []
    try:
        source = EngineSource(ring, Pacing.FRAMELOCKED, patience=60)
        while True:
            if (frame := source.read(1)) is not None:
                read.append(frame)
    except SourceEnded:
        source.close()
        assert game.wait(20) == 0
        return read
    finally:
        game.kill()


def unread(ring: RingFile, game_ns: int) -> int:
    """How many frames a game publishes in `game_ns` of its life if its readers seem to have gone long ago."""
    for field in ("reader_heartbeat_ns", "looked_ns"):
        ring.put(field, 1)
    beat, head = ring["heartbeat_ns"], ring["head"]
    while ring["heartbeat_ns"] - beat < game_ns:
        time.sleep(0.01)
        ring.look()
    return ring["head"] - head


class Peer:
    """One process that can die and come back."""

    def __init__(self, *arguments: str) -> None:
        self.arguments = arguments
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, *self.arguments], stdout=subprocess.DEVNULL)

    def kill(self) -> None:
        """As by the kernel: no goodbye."""
        self.process.kill()
        self.process.wait()

    def start(self) -> None:
        """Starts it anew."""
        self.process = self._start()

    def pause(self) -> None:
        """As on a laptop whose lid was closed."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Opens the lid."""
        self.process.send_signal(signal.SIGCONT)


def game(ring: str, fps: float = 60, width: int = 64, height: int = 48) -> Peer:
    """A game that publishes frames of a moving bar."""
    return Peer("-c", GAME, ring, str(fps), str(width), str(height))


def server(address: str) -> Peer:
    """A server with the tinting renderer."""
    return Peer("-c", SERVER, address)
