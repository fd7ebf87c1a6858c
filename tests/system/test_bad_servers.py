"""Servers that speak nonsense, against a real client: left with a sentence, and tried again."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
import zmq

from bridge.client import BridgeClient
from bridge.codec import decode_client, encode
from bridge.contract import Chunk, Window
from bridge.conversation import Arrived, Lost, Ready
from bridge.protocol import MAX_PART_BYTES, PROTOCOL_VERSION, Hello, Pong, Refuse, ServerMessage, Welcome
from bridge.server import CREDITS
from bridge.sockets import configure
from tests.fakes import SPEC
from tests.system.test_bridge import PATIENCE, PIXELS, until, window

WELCOME = Welcome(version=PROTOCOL_VERSION, server="bad", spec=SPEC, credits=CREDITS)


class Puppet:
    """A server that says what a test wants it to."""

    def __init__(self, folder: Path) -> None:
        self.context = zmq.Context()
        self.router = self.context.socket(zmq.ROUTER)
        configure(self.router, MAX_PART_BYTES)
        self.address = f"ipc://{folder}/puppet"
        self.router.bind(self.address)
        self.client = BridgeClient(self.address)
        self.who = b""

    def hear(self, kind: type):
        """The client's next message of `kind`."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            self.client.poll(0.01)
            if self.router.poll(10):
                self.who, *parts = self.router.recv_multipart()
                message, _ = decode_client(parts)
                if isinstance(message, kind):
                    return message
        raise AssertionError(f"no {kind.__name__} came")

    def say(self, message: ServerMessage, frames: list[np.ndarray] | None = None) -> None:
        self.router.send_multipart([self.who, *encode(message, frames or [])])

    def say_raw(self, fields: dict[str, object], *parts: bytes) -> None:
        self.router.send_multipart([self.who, msgspec.msgpack.encode(fields), *parts])

    def welcome(self) -> None:
        """Until the client is ready, however long it leaves us alone."""
        self.hear(Hello)
        self.say(WELCOME)
        until(self.client, Ready)


@pytest.fixture
def puppet(tmp_path: Path) -> Iterator[Puppet]:
    one = Puppet(tmp_path)
    yield one
    one.client.close()
    one.context.destroy(linger=0)


def chunk_for(asked: Window, **other: object) -> Chunk:
    facts = {name: getattr(asked, name) for name in ("sequence", "segment", "start", "valid", "width", "height")}
    return Chunk(**{**facts, "stage_ms": {}, "period_ms": 1.0, **other})


FRAMES = list(PIXELS)


@pytest.mark.parametrize("other", [
    {"start": 8}, {"segment": 3}, {"valid": 5}, {"sequence": 1}, {"height": 24}], ids=str)
def test_a_chunk_out_of_place_is_a_sentence_and_the_client_comes_back(puppet, other):
    """Also one that was meant for another client, or comes before an older one."""
    puppet.welcome()
    for n in range(2):
        puppet.client.send(window(n), FRAMES)
    asked = puppet.hear(Window)
    wrong = chunk_for(asked, **other)
    puppet.say(wrong, [f[:wrong.height] for f in FRAMES])
    lost = until(puppet.client, Lost)
    assert lost.in_flight == 2 and "the server sent" in lost.detail and not puppet.client.ready
    puppet.welcome()
    for n in range(2, 2 + CREDITS):
        puppet.client.send(window(n), FRAMES)
    puppet.say(chunk_for(puppet.hear(Window)), FRAMES)
    assert until(puppet.client, Arrived).chunk.sequence == 2


def test_a_chunk_that_comes_twice_or_for_a_window_long_gone_is_nothing(puppet):
    puppet.welcome()
    puppet.client.send(window(0), FRAMES)
    asked = puppet.hear(Window)
    for sequence in (99, 0, 0, 0):
        puppet.say(chunk_for(asked, sequence=sequence), FRAMES)
    puppet.say(Pong(t_ns=0, known=True, queued=0, rendering_ms=0.0))
    assert until(puppet.client, Arrived).chunk.sequence == 0
    assert not [e for e in (puppet.client.poll(0.05) for _ in range(4)) if e] and puppet.client.ready


@pytest.mark.parametrize("spec", [
    {"overlap": 7}, {"overlap": -1}, {"overlap": 13}, {"width": 0}, {"height": 100_000}, {"length": 0},
    {"length": 129, "width": 4096, "height": 4096}, {"model": "x\x1b[2J"}, {"model": "x" * 5000}, {"model": "a\n"},
    {"width": math.nan}], ids=str)
def test_a_spec_that_no_window_fits_is_refused_at_the_door(puppet, spec):
    puppet.hear(Hello)
    fields = msgspec.to_builtins(WELCOME)
    fields["spec"] |= spec
    puppet.say_raw(fields)
    assert "the server sent" in until(puppet.client, Lost).detail and puppet.client.spec is None
    puppet.welcome()


@pytest.mark.parametrize("fields", [
    {"type": "Pong", "t_ns": 0, "known": True, "queued": 0, "rendering_ms": math.nan},
    {"type": "Pong", "t_ns": 0, "known": True, "queued": -1, "rendering_ms": 0.0},
    {"type": "Pong", "t_ns": 0, "known": True, "queued": 0, "rendering_ms": math.inf},
    {"type": "Warming", "detail": "\x1b]0;owned\x07"}, {"type": "Warming", "detail": "x" * 20_000},
    {"type": "Refuse", "code": "busy", "detail": "a\nrealmaster_fps_in 9", "sequence": None},
    *({**msgspec.to_builtins(chunk_for(window(0))), "valid": 1, **bad} for bad in (
        {"stage_ms": {"denoise": math.nan}}, {"stage_ms": {"denoise": -1.0}}, {"period_ms": math.inf},
        {"stage_ms": {'x"} 1\nrealmaster_up': 1.0}}, {"stage_ms": {f"s{i}": 1.0 for i in range(100)}},
        {"start": -8}, {"sequence": 2**64 - 1}))], ids=str)
def test_absurd_numbers_and_words_are_refused_at_the_door(puppet, fields):
    puppet.welcome()
    puppet.client.send(window(0), FRAMES)
    puppet.say_raw(fields, *([FRAMES[0].tobytes()] if fields["type"] == "Chunk" else []))
    assert "the server sent" in until(puppet.client, Lost).detail
    assert math.isfinite(puppet.client.busy_seconds)
    puppet.welcome()


def test_a_version_that_flaps_is_followed(puppet):
    for _ in range(2):
        puppet.hear(Hello)
        puppet.say(Refuse(code="version", detail="another version"))
        assert "another version; trying again" in until(puppet.client, Lost).detail
        puppet.welcome()


def test_a_flood_of_nothing_does_not_hold_up_the_caller(puppet):
    """`poll` comes back in time although there is always something to read."""
    puppet.welcome()
    stop = threading.Event()
    pong = [puppet.who, *encode(Pong(t_ns=0, known=True, queued=0, rendering_ms=0.0))]

    def flood() -> None:
        while not stop.is_set():
            with contextlib.suppress(zmq.Again):
                puppet.router.send_multipart(pong, zmq.NOBLOCK)

    thread = threading.Thread(target=flood)
    thread.start()
    try:
        assert all(puppet.client.poll(0.02) is None for _ in range(20))
    finally:
        stop.set()
        thread.join()


