"""Greedy clients, strangers without keys and odd addresses, against a real server."""

from __future__ import annotations

import contextlib
import math
import socket
import stat
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
import zmq

from bridge.client import BridgeClient
from bridge.codec import decode_server, encode
from bridge.conversation import Arrived, Lost, Ready, Waiting
from bridge.errors import BridgeError
from bridge.keys import make_keys
from bridge.protocol import MAX_PART_BYTES, PROTOCOL_VERSION, Hello, Ping, Pong, Refuse, Warming
from bridge.server import CREDITS, BridgeServer
from bridge.sockets import configure
from tests import peers
from tests.fakes import SPEC, TintBackend
from tests.system.test_bridge import PATIENCE, PIXELS, until, window
from tests.system.test_fuzz import peak_memory

FRAMES = list(PIXELS)


def test_a_client_that_was_forgotten_has_all_its_credits_again(serve, monkeypatch):
    """Two windows were on their way to a server that knew it no more."""
    backend = TintBackend()
    server = serve(lambda: backend)
    client = BridgeClient(server.address)
    until(client, Ready)
    server._guests.clear()  # as after ten silent seconds
    for n in range(CREDITS):
        client.send(window(n), FRAMES)
    assert until(client, Lost).in_flight == CREDITS
    until(client, Ready)
    backend.gate.clear()
    for n in range(CREDITS):
        assert client.ready, "a credit is gone"
        client.send(window(CREDITS + n), FRAMES)
    backend.gate.set()
    for n in range(CREDITS):
        assert until(client, Arrived).chunk.sequence == CREDITS + n
    client.close()


def test_hello_again_and_again_does_not_starve_the_others(serve):
    backend = TintBackend()
    server = serve(lambda: backend)
    good = BridgeClient(server.address)
    until(good, Ready)
    greedy = zmq.Context.instance().socket(zmq.DEALER)
    configure(greedy, MAX_PART_BYTES)
    greedy.connect(server.address)
    stop = threading.Event()

    def again() -> None:
        hello, job = encode(Hello(version=PROTOCOL_VERSION, client="greedy")), encode(window(0), FRAMES)
        while not stop.is_set():
            for parts in (hello, job, job):
                with contextlib.suppress(zmq.Again):
                    greedy.send_multipart(parts, zmq.NOBLOCK)
            while greedy.poll(0):
                greedy.recv_multipart()

    thread = threading.Thread(target=again)
    thread.start()
    try:
        for n in range(30):
            good.send(window(n), FRAMES)
            assert until(good, Arrived).chunk.sequence == n
        assert len(server._jobs) <= CREDITS, "what waits for a client that began anew is thrown away"
    finally:
        stop.set()
        thread.join()
        greedy.close(0)
        good.close()


GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00CURVE" + bytes(15) + b"\x00" + bytes(31)


def strangers(port: int, count: int, announced: int, sent: int) -> list[socket.socket]:
    """Connections that announce a long command and send a part of it, without any key."""
    found = []
    for _ in range(count):
        raw = socket.create_connection(("127.0.0.1", port), 5)
        raw.settimeout(0.2)
        found.append(raw)
        with contextlib.suppress(OSError):
            raw.sendall(GREETING + b"\x06" + struct.pack(">Q", announced))
            for _ in range(sent >> 16):
                raw.sendall(bytes(1 << 16))
    return found


KEYED = """
import sys
from pathlib import Path
from bridge.server import BridgeServer
from tests.fakes import TintBackend
server = BridgeServer("tcp://127.0.0.1:0", TintBackend, Path(sys.argv[1]), Path(sys.argv[2]))
Path(sys.argv[3]).write_text(server.address)
server.run()
"""


@pytest.fixture
def keyed(tmp_path: Path):
    """Keys for a server and a friend, who is let in."""
    _, secret = make_keys(tmp_path / "server", "server")
    friend, friend_secret = make_keys(tmp_path / "friend", "friend")
    (tmp_path / "clients").mkdir()
    (tmp_path / "clients" / "friend.key").write_bytes(friend.read_bytes())
    return secret, tmp_path / "clients", {"key": friend_secret, "server_key": tmp_path / "server" / "server.key"}


def test_strangers_without_keys_cost_next_to_nothing(tmp_path, keyed):
    secret, clients, friend = keyed
    place = tmp_path / "address"
    peer = peers.Peer("-c", KEYED, str(secret), str(clients), str(place))
    try:
        deadline = time.monotonic() + PATIENCE
        while not place.exists() or not place.read_text():
            assert time.monotonic() < deadline and peer.process.poll() is None
        client = BridgeClient(place.read_text(), **friend)
        until(client, Ready)
        before = peak_memory(peer.process.pid)
        raw = strangers(int(place.read_text().rsplit(":", 1)[1]), 12, MAX_PART_BYTES - 64, 4 << 20)
        client.send(window(0), FRAMES)
        until(client, Arrived)
        grown = peak_memory(peer.process.pid) - before
        assert grown < 12 << 20, f"{grown >> 20} MiB"
        for one in raw:
            one.close()
        client.close()
    finally:
        peer.kill()


@contextlib.contextmanager
def serving(server: BridgeServer) -> Iterator[BridgeServer]:
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_no_more_connections_than_there_is_room_for_and_friends_come_in_again(keyed, monkeypatch):
    secret, clients, friend = keyed
    monkeypatch.setattr("bridge.listener.MAX_CONNECTIONS", 16)
    monkeypatch.setattr("bridge.sockets.HANDSHAKE_MS", 700)
    with serving(BridgeServer("tcp://127.0.0.1:0", TintBackend, secret, clients)) as server:
        inside = BridgeClient(server.address, **friend)
        until(inside, Ready)
        raw = strangers(int(server.address.rsplit(":", 1)[1]), 60, 100, 0)
        inside.send(window(0), FRAMES)
        until(inside, Arrived)
        assert len(server._listener._connected) <= 16
        late = BridgeClient(server.address, **friend)
        until(late, Ready)
        for one in (*raw, inside, late):
            one.close()


def test_a_key_that_is_taken_away_is_no_use_any_more_and_needs_no_restart(keyed):
    secret, clients, friend = keyed
    with serving(BridgeServer("tcp://127.0.0.1:0", TintBackend, secret, clients)) as server:
        client = BridgeClient(server.address, **friend)
        until(client, Ready)
        (clients / "friend.key").rename(clients / "friend.revoked")
        until(client, Lost)
        until(client, Waiting, detail=f"no server answers at {server.address}")
        again = BridgeClient(server.address, **friend)
        assert not any(isinstance(again.poll(0.1), Ready) for _ in range(8))
        (clients / "friend.revoked").rename(clients / "friend.key")
        until(client, Ready)
        client.close()
        again.close()


def test_a_large_model_takes_large_frames_from_those_who_came_while_it_loaded(serve):
    spec = msgspec.structs.replace(SPEC, width=512, height=384)
    load = threading.Event()

    def slowly() -> TintBackend:
        load.wait(PATIENCE)
        return TintBackend(spec)

    client = BridgeClient(serve(slowly, "tcp://127.0.0.1:0").address)
    until(client, Waiting)
    load.set()
    until(client, Ready)
    big = [np.zeros((384, 512, 3), np.uint8)] * SPEC.length
    client.send(msgspec.structs.replace(window(0), width=512, height=384), big)
    assert until(client, Arrived).frames[0].shape == (384, 512, 3)
    client.close()


@pytest.mark.parametrize("address", ["tcp://[::1]:0", "tcp://localhost:0", "tcp://127.0.0.1:0", "tcp://127.0.0.2:*"])
def test_every_way_to_write_loopback_is_served(serve, address):
    if "[" in address and not _has_ipv6():
        pytest.skip("no IPv6 here")
    client = BridgeClient(serve(TintBackend, address).address)
    until(client, Ready)
    client.send(window(0, width=64, start=8), FRAMES)
    until(client, Arrived)
    client.close()


def _has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


def test_an_address_of_another_machine_is_a_sentence(keyed):
    secret, clients, _ = keyed
    for address in ("tcp://192.0.2.1:0", "tcp://no-such-host.invalid:0", "tcp://[fe80::1%nope]:0"):
        with pytest.raises(BridgeError, match="--bind"):
            BridgeServer(address, TintBackend, secret, clients)


def test_the_name_of_an_interface_is_its_address(keyed):
    secret, clients, _ = keyed
    with pytest.raises(BridgeError, match="can be reached"):
        BridgeServer("tcp://lo:0", TintBackend)
    with serving(BridgeServer("tcp://lo:0", TintBackend, secret, clients)) as server:
        assert server.address.startswith("tcp://127.0.0.1:")


def test_a_unix_socket_has_one_owner_and_no_file_is_lost(tmp_path):
    path = tmp_path / "server"
    path.write_text("a thesis")
    with pytest.raises(BridgeError, match="no socket"):
        BridgeServer(f"ipc://{path}", TintBackend)
    assert path.read_text() == "a thesis"
    path.unlink()
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(path))
    dead.close()
    with serving(BridgeServer(f"ipc://{path}", TintBackend)) as server:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        with pytest.raises(BridgeError, match="another server"):
            BridgeServer(f"ipc://{path}", TintBackend)
        client = BridgeClient(server.address)
        until(client, Ready)
        client.close()
    assert not path.exists()


def test_a_window_with_absurd_settings_is_refused_by_the_server(serve):
    server = serve(TintBackend)
    raw = zmq.Context.instance().socket(zmq.DEALER)
    configure(raw, MAX_PART_BYTES)
    raw.connect(server.address)
    raw.send_multipart(encode(Hello(version=PROTOCOL_VERSION, client="x")))
    fields = msgspec.to_builtins(window(0))
    for bad in ({"strength": math.nan}, {"strength": 1e30}, {"steps": 10**9}, {"seed": -1}, {"steps": 0}):
        parts = [msgspec.msgpack.encode({**fields, "settings": {**fields["settings"], **bad}}), *encode(window(0),
                                                                                                        FRAMES)[1:]]
        raw.send_multipart(parts)
    raw.send_multipart(encode(Ping(t_ns=1)))
    answers = []
    while not answers or not isinstance(answers[-1], Pong):
        assert raw.poll(PATIENCE * 1000)
        answers.append(decode_server(raw.recv_multipart())[0])
    codes = [answer.code for answer in answers if isinstance(answer, Refuse)]
    assert codes == ["malformed"] * 5 and not isinstance(answers[0], Warming)
    raw.close(0)
