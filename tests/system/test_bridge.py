"""Client and server over real sockets: handshake, credits, refusals, garbage, keys, loss."""

from __future__ import annotations

import dataclasses
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import zmq

from bridge.address import to_bind, to_connect
from bridge.client import BridgeClient
from bridge.codec import decode_server, encode
from bridge.contract import RenderSettings, Window
from bridge.conversation import Arrived, Lost, Ready, Refused, Waiting
from bridge.errors import BridgeError
from bridge.keys import make_keys
from bridge.protocol import MAX_PART_BYTES, PROTOCOL_VERSION, Hello, Refuse, Welcome
from bridge.server import CREDITS, BridgeServer
from bridge.sockets import configure
from tests.fakes import SPEC, TintBackend

PIXELS = np.random.default_rng(0).integers(0, 256, (SPEC.length, SPEC.height, SPEC.width, 3), np.uint8)
PATIENCE = 20.0


def window(sequence: int, start: int = 0, continues: bool = False, width: int = SPEC.width) -> Window:
    return Window(sequence=sequence, segment=0, start=start, valid=SPEC.length, continues=continues,
                  length=SPEC.length, width=width, height=SPEC.height, settings=RenderSettings())


def until(client: BridgeClient, kind: type, **facts: object):
    """The next event of `kind` with these attributes."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        event = client.poll(0.1)
        if isinstance(event, kind) and all(getattr(event, k) == v for k, v in facts.items()):
            return event
    raise AssertionError(f"no {kind.__name__} came")


def raw_dealer(address: str) -> zmq.Socket:
    socket = zmq.Context.instance().socket(zmq.DEALER)
    configure(socket, MAX_PART_BYTES)
    socket.connect(address)
    return socket


def answer(socket: zmq.Socket):
    assert socket.poll(PATIENCE * 1000), "no answer"
    return decode_server(socket.recv_multipart())[0]


def test_a_window_is_decoded_while_the_next_is_rendered(serve):
    backend = TintBackend(pipelined=True)
    backend.decode_gate.clear()
    client = BridgeClient(serve(lambda: backend).address)
    until(client, Ready)
    for n in range(2):
        client.send(window(n, 8 * n, n > 0), list(PIXELS))
    assert all(backend.rendered.acquire(timeout=PATIENCE) for _ in range(2)), "both are, and none is decoded yet"
    backend.decode_gate.set()
    for n in range(2):
        got = until(client, Arrived)
        expected = TintBackend().render(window(n), list(PIXELS), n - 1 if n else None).frames
        assert got.chunk.sequence == n and np.array_equal(got.frames, expected) and got.chunk.period_ms > 0


def test_windows_come_back_rendered_and_in_order(serve):
    client = BridgeClient(serve(TintBackend).address)
    ready = until(client, Ready)
    assert ready.spec == SPEC and ready.credits == CREDITS
    for n in range(6):
        client.send(window(n, 8 * n, n > 0), list(PIXELS))
        got = until(client, Arrived)
        assert got.chunk.sequence == n
        expected = TintBackend().render(window(n), list(PIXELS), n - 1 if n else None).frames
        assert np.array_equal(got.frames, expected), "the carry of the window before was lost or made up"
    client.close()


def test_a_window_that_does_not_continue_gets_no_carry(serve):
    client = BridgeClient(serve(TintBackend).address)
    until(client, Ready)
    results = []
    for n, (start, continues) in enumerate([(0, False), (8, True), (24, True), (32, False)]):
        client.send(window(n, start, continues), list(PIXELS))
        results.append(until(client, Arrived).frames)
    assert not np.array_equal(results[0], results[1])
    assert np.array_equal(results[0], results[2]), "16 is missing: 24 starts afresh"
    assert np.array_equal(results[0], results[3])
    client.close()


def test_a_server_that_still_loads_says_so(serve):
    load = threading.Event()

    def slowly() -> TintBackend:
        load.wait(PATIENCE)
        return TintBackend()

    client = BridgeClient(serve(slowly).address)
    assert "loading" in until(client, Waiting, detail="the server is loading its model").detail
    load.set()
    until(client, Ready)
    client.close()


def test_credits_bound_what_is_in_flight(serve):
    backend = TintBackend()
    backend.gate.clear()
    client = BridgeClient(serve(lambda: backend).address)
    until(client, Ready)
    for n in range(CREDITS):
        assert client.ready
        client.send(window(n), list(PIXELS))
    assert not client.ready
    with pytest.raises(BridgeError, match="no credit"):
        client.send(window(9), list(PIXELS))
    client._state = dataclasses.replace(client._state, credits=CREDITS + 1)  # one that does not keep to its credits
    client.send(window(10), list(PIXELS))
    assert until(client, Refused).reason.code == "busy"
    backend.gate.set()
    until(client, Arrived)
    client.close()


def test_a_failing_renderer_is_told_and_survived(serve):
    backend = TintBackend()
    client = BridgeClient(serve(lambda: backend).address)
    until(client, Ready)
    backend.fail = True
    client.send(window(0), list(PIXELS))
    refused = until(client, Refused).reason
    assert refused.code == "failed"
    assert refused.detail == "the renderer failed on this window; the server's log says why", "and nothing else"
    backend.fail = False
    client.send(window(1), list(PIXELS))
    until(client, Arrived)
    client.close()


def test_wrong_shapes_versions_and_order_are_refused_with_a_reason(serve):
    server = serve(TintBackend)
    client = BridgeClient(server.address)
    until(client, Ready)
    client.send(window(0, width=32), list(PIXELS[:, :, :32]))
    assert "64x48" in until(client, Refused).reason.detail
    client.close()
    socket = raw_dealer(server.address)
    socket.send_multipart(encode(Hello(version=PROTOCOL_VERSION + 1, client="x")))
    refusal = answer(socket)
    assert isinstance(refusal, Refuse) and refusal.code == "version" and "install the same" in refusal.detail
    socket.send_multipart(encode(window(0), list(PIXELS)))
    assert answer(socket).code == "order"
    socket.close()


def test_garbage_on_the_socket_is_refused_and_the_server_lives_on(serve):
    server = serve(TintBackend)
    socket = raw_dealer(server.address)
    rng = np.random.default_rng(1)
    for parts in ([b""], [b"\xff" * 10], [bytes(100_000)], [rng.bytes(50), rng.bytes(5)], [b"\x80", b"", b""]):
        socket.send_multipart(parts)
        refusal = answer(socket)
        assert isinstance(refusal, Refuse) and refusal.code == "malformed"
    socket.send_multipart(encode(Hello(version=PROTOCOL_VERSION, client="x")))
    assert isinstance(answer(socket), Welcome)
    socket.close()


def test_a_lost_server_is_noticed_and_its_return_too(serve, tmp_path: Path):
    address = f"ipc://{tmp_path}/lost"
    first = BridgeServer(address, TintBackend)
    thread = threading.Thread(target=first.run)
    thread.start()
    client = BridgeClient(address)
    until(client, Ready)
    first.stop()
    thread.join()
    assert until(client, Lost).in_flight == 0
    assert "no server answers" in until(client, Waiting).detail
    serve(TintBackend, address)
    until(client, Ready)
    client.send(window(0), list(PIXELS))
    until(client, Arrived)
    client.close()


def test_a_taken_address_is_one_clear_sentence(serve):
    server = serve(TintBackend, "tcp://127.0.0.1:*")
    with pytest.raises(BridgeError, match="another server"):
        BridgeServer(server.address, TintBackend)


@pytest.mark.parametrize(("address", "local"), [
    ("ipc:///tmp/x", True), ("tcp://127.0.0.1:5", True), ("tcp://localhost:5", True), ("tcp://[::1]:5", True),
    ("tcp://0.0.0.0:5", False), ("tcp://*:5", False), ("tcp://10.0.0.1:5", False), ("tcp://example.org:5", False)])
def test_only_loopback_needs_no_keys(address, local):
    assert to_connect(address).local is local if "*" not in address else not to_bind(address).local


def test_a_remote_bind_without_keys_is_refused():
    with pytest.raises(BridgeError, match="realmaster keys"):
        BridgeServer("tcp://0.0.0.0:*", TintBackend)
    with pytest.raises(BridgeError, match="server-key"):
        BridgeClient("tcp://example.org:5555")


def test_only_known_keys_get_in(tmp_path: Path):
    _, server_secret = make_keys(tmp_path / "server", "server")
    friend, friend_secret = make_keys(tmp_path / "friend", "friend")
    _, stranger_secret = make_keys(tmp_path / "stranger", "stranger")
    assert server_secret.stat().st_mode & 0o077 == 0
    with pytest.raises(BridgeError, match="exists already"):
        make_keys(tmp_path / "server", "server")
    clients = tmp_path / "clients"
    clients.mkdir()
    (clients / "friend.key").write_bytes(friend.read_bytes())
    server = BridgeServer("tcp://127.0.0.1:*", TintBackend, server_secret, clients)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        server_key = tmp_path / "server" / "server.key"
        welcome = BridgeClient(server.address, key=friend_secret, server_key=server_key)
        until(welcome, Ready)
        for intruder in (BridgeClient(server.address, key=stranger_secret, server_key=server_key),
                         BridgeClient(server.address)):
            events = [intruder.poll(0.3) for _ in range(4)]
            assert not any(isinstance(e, Ready) for e in events)
            intruder.close()
        welcome.send(window(0), list(PIXELS))
        until(welcome, Arrived)
        welcome.close()
    finally:
        server.stop()
        thread.join()


def test_a_server_that_is_back_before_its_silence_told_is_noticed(serve, tmp_path: Path):
    """The windows in flight at its predecessor would be waited for without end."""
    address = f"ipc://{tmp_path}/quick"
    backend = TintBackend()
    backend.gate.clear()
    first = BridgeServer(address, lambda: backend)
    thread = threading.Thread(target=first.run)
    thread.start()
    client = BridgeClient(address)
    until(client, Ready)
    for n in range(CREDITS):
        client.send(window(n), list(PIXELS))
    first.stop()
    thread.join()
    serve(TintBackend, address)
    assert until(client, Lost).in_flight == CREDITS
    until(client, Ready)
    client.send(window(9), list(PIXELS))
    until(client, Arrived)
    client.close()
    backend.gate.set()
