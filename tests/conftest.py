"""Fixtures that several suites share."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from bridge.contract import Backend
from bridge.server import BridgeServer
from capture.frame import Frame, color_frame
from capture.ring import remove_ring

os.environ.setdefault("OMP_NUM_THREADS", "1")  # torch's two spinning threads starve everything else on two cores


def moving_frames(count: int, width: int = 64, height: int = 48, first: int = 0) -> list[Frame]:
    """Frames of a bar that moves over a gradient; each differs from all others."""
    y, x = np.mgrid[0:height, 0:width]
    base = np.stack([x * 255 // width, y * 255 // height, np.full_like(x, 90)], -1).astype(np.uint8)
    frames = []
    for i in range(first, first + count):
        image = base.copy()
        left = (3 * i) % (width - 8)
        image[:, left:left + 8] = (250, 240, i % 256)
        frames.append(color_frame(i, i * 40_000_000, image))
    return frames


@pytest.fixture
def ring_name() -> Iterator[str]:
    """A ring of its own, whose files are gone after the test, whatever becomes of its game."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    yield name
    remove_ring(name)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[Callable[[], Backend]], BridgeServer]]:
    """Starts real servers on ipc sockets, each in a thread, and stops them after the test."""
    running: list[tuple[BridgeServer, threading.Thread]] = []

    def start(load: Callable[[], Backend], address: str | None = None) -> BridgeServer:
        server = BridgeServer(address or f"ipc://{tmp_path}/s{len(running)}", load)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        running.append((server, thread))
        return server

    yield start
    for server, thread in running:
        server.stop()
        thread.join(5)
        assert not thread.is_alive()


@contextmanager
def x_server(*options: str) -> Iterator[str]:
    """A display of our own, by its name."""
    if shutil.which("Xvfb") is None:
        pytest.skip("needs Xvfb (Debian: apt-get install xvfb)")
    read, write = os.pipe()
    process = subprocess.Popen(["Xvfb", "-displayfd", str(write), "-screen", "0", "800x600x24", "-noreset",
                                "-nolisten", "tcp", *options],
                               pass_fds=[write], stderr=subprocess.DEVNULL)
    os.close(write)
    with os.fdopen(read) as pipe:
        number = pipe.readline().strip()
    try:
        yield f":{number}"
    finally:
        process.terminate()
        process.wait(5)


@pytest.fixture(scope="session")
def xvfb() -> Iterator[str]:
    """A display of our own."""
    with x_server() as name:
        yield name
