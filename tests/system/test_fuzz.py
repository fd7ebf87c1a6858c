"""Mutated messages against the decoder and against a living server: refused by type, bounded, survived."""

from __future__ import annotations

import re
import socket
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import zmq

from bridge.codec import ProtocolError, decode_client, decode_server, encode
from bridge.protocol import MAX_PART_BYTES, PROTOCOL_VERSION, Hello, Ping, Pong, Refuse, Welcome
from bridge.sockets import configure
from tests.peers import server
from tests.unit.test_codec import CLIENT, SERVER

MESSAGES = [[bytes(p) for p in encode(*m)] for m in (*CLIENT.values(), *SERVER.values())]
LIMIT = 16 << 20
"""Bytes; the decoder allocates a few kilobytes, whatever a message claims."""
WORDS = [b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff", b"\xd3\x80\0\0\0\0\0\0\0", b"\xdd\xff\xff\xff\xff",
         b"\xc6\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xca\x7f\xc0\0\0", b"\xc0", b"\x00", b"\xff" * 40]
"""Msgpack's largest integers, arrays, maps and binaries, not-a-number, nil."""


def mutate(parts: list[bytes], rng: np.random.Generator) -> list[bytes]:
    """One to three changes to a message: flipped bits, cuts, inserted words, parts lost, doubled or swapped."""
    parts = list(parts)
    for _ in range(int(rng.integers(1, 4))):
        at = int(rng.integers(len(parts)))
        part = bytearray(parts[at])
        place = int(rng.integers(len(part) + 1))
        match int(rng.integers(7)):
            case 0 if place < len(part):
                part[place] ^= 1 << int(rng.integers(8))
            case 1:
                del part[place:]
            case 2:
                part[place:place] = WORDS[int(rng.integers(len(WORDS)))]
            case 3:
                part[place:place + 8] = rng.bytes(8)
            case 4 if len(parts) > 1:
                del parts[at]
                continue
            case 5 if len(parts) < 20:
                parts.insert(at, parts[int(rng.integers(len(parts)))])
                continue
            case _:
                parts.reverse()
                continue
        parts[at] = bytes(part)
    return parts


def fuzz_decoder(count: int) -> tuple[int, int]:
    """Decodes `count` mutated messages; how many were refused, and the most memory in use meanwhile."""
    rng = np.random.default_rng(count)
    refused = 0
    tracemalloc.start()
    try:
        for i in range(count):
            parts = mutate(MESSAGES[i % len(MESSAGES)], rng)
            for decode in (decode_client, decode_server):
                try:
                    message, frames = decode(parts)
                except ProtocolError:
                    refused += 1
                else:
                    assert len(frames) == getattr(message, "valid", 0)
        return refused, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def fuzz_server(address: str, count: int) -> dict[str, int]:
    """Sends `count` mutated messages to a server; its refusals by code. Each must be followed by a Pong."""
    rng = np.random.default_rng(count)
    dealer = zmq.Context.instance().socket(zmq.DEALER)
    configure(dealer, MAX_PART_BYTES)
    dealer.connect(address)
    refused: dict[str, int] = {}
    try:
        for i in range(count):
            dealer.send_multipart(mutate(MESSAGES[i % len(MESSAGES)], rng))
            dealer.send_multipart(encode(Ping(t_ns=i)))
            while True:
                assert dealer.poll(20_000), f"no answer after message {i}"
                answer, _ = decode_server(dealer.recv_multipart())
                if isinstance(answer, Refuse):
                    refused[answer.code] = refused.get(answer.code, 0) + 1
                if isinstance(answer, Pong) and answer.t_ns == i:
                    break
        dealer.send_multipart(encode(Hello(version=PROTOCOL_VERSION, client="after")))
        assert dealer.poll(20_000) and isinstance(decode_server(dealer.recv_multipart())[0], Welcome)
        return refused
    finally:
        dealer.close(linger=0)


def peak_memory(pid: int) -> int:
    """Bytes of memory that the process has ever held."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) << 10


def test_the_decoder_survives_mutated_messages():
    refused, peak = fuzz_decoder(5_000)
    assert refused > 5_000 and peak < LIMIT


@pytest.mark.slow
def test_the_decoder_survives_a_million_mutated_messages():
    refused, peak = fuzz_decoder(1_000_000)
    print(f"1,000,000 messages, each to both decoders: {refused} refused; at most {peak >> 10} KiB in use")
    assert peak < LIMIT


@pytest.mark.parametrize("count", [300, pytest.param(10_000, marks=pytest.mark.slow)])
def test_a_server_survives_mutated_messages(tmp_path, count):
    address = f"ipc://{tmp_path}/server"
    peer = server(address)
    try:
        fuzz_server(address, 20)
        before = peak_memory(peer.process.pid)
        refused = fuzz_server(address, count)
        grown = peak_memory(peer.process.pid) - before
        print(f"{count} messages: refused {refused}; memory grew by {grown >> 10} KiB")
        assert set(refused) <= {"malformed", "version", "order", "shape", "busy", "failed"}
        assert sum(refused.values()) > count // 4
        assert grown < LIMIT
        assert peer.process.poll() is None
    finally:
        peer.kill()


def test_noise_on_the_port_does_no_harm(serve):
    from tests.fakes import TintBackend

    address = serve(TintBackend, "tcp://127.0.0.1:*").address
    host, port = address.removeprefix("tcp://").split(":")
    rng = np.random.default_rng(0)
    greeting = b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(16) + b"\x00" + bytes(31)
    for i in range(50):
        with socket.create_connection((host, int(port))) as raw:
            raw.sendall((greeting if i % 2 else b"") + rng.bytes(int(rng.integers(1, 5000))))
    fuzz_server(address, 5)
