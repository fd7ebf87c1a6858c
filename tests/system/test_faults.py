"""Fault drills on real processes: whoever dies, the others live, say so, and go on when it is back."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from bridge.client import BridgeClient
from bridge.contract import RenderSettings
from bridge.server import MAX_CLIENTS
from capture.engine import EngineSource
from capture.frame import Flags
from capture.ring import ring_path
from capture.source import Pacing
from realmaster.stream.session import Session
from realmaster.stream.sink import Shown
from realmaster.stream.stats import Stats
from tests import peers
from tests.fakes import TintBackend
from tests.peers import Peer
from tests.system.test_session import accounted

PATIENCE = 60.0

ONE_ALWAYS = [Pacing.FREERUN, *(pytest.param(p, marks=pytest.mark.slow) for p in Pacing if p is not Pacing.FREERUN)]
"""Ways of pacing for tests that take ten seconds each."""


class Watch:
    """A sink that remembers what was shown last, and checks that each picture belongs to its frame."""

    def __init__(self) -> None:
        self.photos = 0
        self.wrong = 0
        self.resets = 0
        self.sizes: set[tuple[int, int]] = set()

    def show(self, shown: Shown, stats: Stats) -> None:
        self.resets += bool(shown.frame.flags & Flags.RESET)
        if shown.photo is None:
            return
        self.photos += 1
        self.sizes.add(shown.frame.size)
        if shown.frame.size == (64, 48):
            # The tint is 255 - x / 2, darker by the length of the chain: at most 20.
            error = 255 - shown.frame.rgb.astype(int) // 2 - shown.photo
            self.wrong += not (error.min() >= -2 and error.max() <= 22)

    def close(self) -> None:
        pass


class Running:
    """A session in a thread, watched."""

    def __init__(self, ring: str, address: str, pacing: Pacing = Pacing.FREERUN) -> None:
        self.watch, self.stop = Watch(), threading.Event()
        source = EngineSource(ring, pacing, None, ends=False)
        self.session = Session(source, BridgeClient(address), [self.watch], RenderSettings, pacing=pacing, max_fps=1000)
        self.failure: BaseException | None = None
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.session.run(self.stop.is_set)
        except BaseException as error:
            self.failure = error

    def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert self.failure is None, self.failure
            assert time.monotonic() < deadline, self.session.stats
            self.stop.wait(0.01)

    def more_photos(self, count: int = 20) -> None:
        """Waits until the stream has visibly gone on."""
        reached = self.watch.photos + count
        self.until(lambda: self.watch.photos >= reached)

    def end(self) -> None:
        self.stop.set()
        self.thread.join(20)
        assert not self.thread.is_alive() and self.failure is None, self.failure


@contextmanager
def running(ring: str, address: str, pacing: Pacing = Pacing.FREERUN) -> Iterator[Running]:
    one = Running(ring, address, pacing)
    try:
        yield one
    finally:
        one.end()
    assert one.watch.wrong == 0, "a picture was shown with another frame"
    assert accounted(one.session.stats) == 0, one.session.stats


@pytest.fixture
def cast() -> Iterator[Callable[..., Peer]]:
    """Starts games and servers, and ends them after the test."""
    with ExitStack() as stack:
        def start(kind: str, *arguments: object) -> Peer:
            peer = getattr(peers, kind)(*arguments)
            stack.callback(peer.kill)
            return peer

        yield start


@pytest.fixture
def address(tmp_path) -> str:
    return f"ipc://{tmp_path}/server"


@pytest.mark.parametrize("pacing", ONE_ALWAYS)
def test_a_server_that_is_killed_again_and_again(ring_name, cast, address, pacing):
    cast("game", ring_name)
    server = cast("server", address)
    with running(ring_name, address, pacing) as one:
        for _ in range(3):
            one.more_photos()
            server.kill()
            one.until(lambda: "gone" in one.session.stats.server or "no server" in one.session.stats.server)
            read = one.session.stats.read
            one.until(lambda read=read: one.session.stats.read > read + 20)  # the game is shown all the same
            server.start()
        one.more_photos()
        assert one.session.stats.server == ""
        assert one.session.stats.dropped["server lost"] + one.session.stats.dropped["no server"] > 0


@pytest.mark.parametrize("pacing", ONE_ALWAYS)
def test_a_game_that_is_killed_again_and_again(ring_name, cast, address, pacing):
    cast("server", address)
    game = cast("game", ring_name)
    with running(ring_name, address, pacing) as one:
        for n in range(3):
            one.more_photos()
            game.kill()
            one.until(lambda: bool(one.session.stats.source))
            game.start()
            one.until(lambda: not one.session.stats.source)
            assert one.session.stats.server == "", n
        one.more_photos()


@pytest.mark.parametrize("victim", ["game", "server"])
def test_a_peer_that_sleeps_and_wakes(ring_name, cast, address, victim):
    """Stopped, but not dead: its sockets stay open."""
    sleeper = {"game": cast("game", ring_name), "server": cast("server", address)}[victim]
    with running(ring_name, address) as one:
        one.more_photos()
        sleeper.pause()
        one.until(lambda: bool(one.session.stats.source if victim == "game" else one.session.stats.server))
        sleeper.go_on()
        one.more_photos()
        assert not one.session.stats.source and not one.session.stats.server


@pytest.mark.parametrize("order", list(itertools.permutations(["game", "server", "session"])))
def test_they_may_be_started_in_any_order(ring_name, cast, address, order):
    with ExitStack() as stack:
        one: Running | None = None
        for who in order:
            if who == "session":
                one = stack.enter_context(running(ring_name, address))
            else:
                cast(who, ring_name if who == "game" else address)
        assert one is not None
        one.more_photos()


def test_a_ring_left_by_a_crash_is_not_taken_for_a_game(ring_name, cast, address):
    game = cast("game", ring_name)
    deadline = time.monotonic() + PATIENCE
    while not ring_path(ring_name).exists():
        assert time.monotonic() < deadline
    game.kill()
    cast("server", address)
    with running(ring_name, address) as one:
        one.until(lambda: one.session.stats.model == "tint")
        if one.session.stats.read:  # it came before the heartbeat was stale: then it is told soon
            one.until(lambda: bool(one.session.stats.source))
        read = one.session.stats.read
        assert read <= 1
        game.start()
        one.more_photos()


def test_two_sessions_share_a_server_and_one_outlives_the_other(ring_name, cast, address):
    cast("server", address)
    cast("game", ring_name)
    with running(ring_name, address) as first:
        with running(ring_name, address) as second:
            first.more_photos()
            second.more_photos()
        first.more_photos()


def test_clients_that_crash_do_not_keep_their_successors_out(serve, address):
    serve(TintBackend, address)
    for _ in range(3 * MAX_CLIENTS):
        client = BridgeClient(address)
        deadline = time.monotonic() + PATIENCE
        while client.spec is None:
            client.poll(0.1)
            assert time.monotonic() < deadline
        client._context.destroy(linger=0)  # no Bye


def test_a_change_of_size_starts_a_new_window(ring_name, cast, address):
    cast("server", address)
    game = cast("game", ring_name)
    with running(ring_name, address) as one:
        one.more_photos()
        game.kill()
        game.arguments = (*game.arguments[:-2], "96", "64")
        game.start()
        one.until(lambda: (96, 64) in one.watch.sizes)
        one.more_photos()


class Jumping:
    """A clock that runs on, and jumps when it is told to."""

    def __init__(self) -> None:
        self.offset = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.offset


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
def test_a_clock_that_jumps_does_not_stop_the_stream(ring_name, cast, address, jump):
    cast("server", address)
    cast("game", ring_name)
    with running(ring_name, address) as one:
        one.session.clock = clock = Jumping()
        one.more_photos()
        clock.offset = jump
        one.more_photos(60)
        clock.offset = 0.0
        one.more_photos(60)


def test_a_server_that_hangs_over_a_window_is_told(ring_name, serve, cast, address, monkeypatch):
    monkeypatch.setattr("realmaster.stream.session.HUNG_SECONDS", 0.5)
    backend = TintBackend()
    serve(lambda: backend, address)
    cast("game", ring_name)
    with running(ring_name, address) as one:
        one.more_photos()
        backend.gate.clear()
        one.until(lambda: "worked on one window" in one.session.stats.server)
        backend.gate.set()
        one.more_photos()
        one.until(lambda: one.session.stats.server == "")


def live(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "realmaster", "live", "--port", "0", "--seconds", "60", *arguments],
                          capture_output=True, text=True, timeout=100, check=False,
                          env={**os.environ, **environment})


def test_a_machine_without_egl_is_told(tmp_path):
    pytest.importorskip("moderngl")
    done = live(__EGL_VENDOR_LIBRARY_DIRS=str(tmp_path))
    assert done.returncode == 1
    assert "no off-screen OpenGL" in done.stderr and "apt-get install" in done.stderr
    assert "Traceback" not in done.stderr


def test_corrupt_weights_are_told(tmp_path):
    from realmaster.config import TINY

    shutil.copytree(TINY, tmp_path / "model")
    graph = next((tmp_path / "model" / "onnx").glob("*.onnx"))
    graph.write_bytes(graph.read_bytes()[:-100])
    done = live("--game", "none", "--ring", "nobody", "--model", str(tmp_path / "model"))
    assert done.returncode == 1 and "the server stopped" in done.stderr and "export" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(shutil.which("nvidia-smi") is not None, reason="there is one")
def test_a_gpu_that_is_not_there_is_told():
    done = subprocess.run([sys.executable, "-m", "realmaster", "doctor"], capture_output=True, text=True, check=False)
    assert "no NVIDIA driver" in done.stdout + done.stderr


def test_an_interrupted_stream_never_shows_a_window_twice(ring_name, cast, address):
    """Frames keep their order across losses: what is given up is not shown later."""
    server, _ = cast("server", address), cast("game", ring_name)
    seen: list[int] = []
    with running(ring_name, address) as one:
        original = one.watch.show
        one.watch.show = lambda shown, stats: (seen.append(shown.frame.t_capture_ns), original(shown, stats))
        for _ in range(2):
            one.more_photos()
            server.kill()
            server.start()
        one.more_photos()
    assert seen == sorted(seen)
    assert len(set(seen)) == len(seen)
