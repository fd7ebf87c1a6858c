"""One strict reading of an address decides who can reach it, and what ZeroMQ is given."""

from __future__ import annotations

import pytest

from bridge.address import in_url, is_loopback, to_bind, to_connect
from bridge.errors import BridgeError


@pytest.mark.parametrize(("text", "endpoint", "local"), [
    ("tcp://127.0.0.1:5555", "tcp://127.0.0.1:5555", True),
    ("tcp://127.255.0.9:5555", "tcp://127.255.0.9:5555", True),
    ("tcp://localhost:5555", "tcp://127.0.0.1:5555", True),
    ("tcp://[::1]:5555", "tcp://[::1]:5555", True),
    ("tcp://[::1%lo]:5555", "tcp://[::1%lo]:5555", True),
    ("tcp://[fe80::1%eth0]:5555", "tcp://[fe80::1%eth0]:5555", False),
    ("tcp://[::ffff:127.0.0.1]:5555", "tcp://[::ffff:127.0.0.1]:5555", False),
    ("tcp://0.0.0.0:5555", "tcp://0.0.0.0:5555", False),
    ("tcp://10.0.0.1:05555", "tcp://10.0.0.1:5555", False),
    ("tcp://gpu-box:5555", "tcp://gpu-box:5555", False),
    ("tcp://localhost.example.org:5555", "tcp://localhost.example.org:5555", False),
    ("tcp://127.0.0.1.example.org:5555", "tcp://127.0.0.1.example.org:5555", False),
    ("ipc:///tmp/x", "ipc:///tmp/x", True)])
def test_an_address_is_read_by_its_parts(text, endpoint, local):
    for read in (to_bind, to_connect):
        assert (read(text).endpoint, read(text).local) == (endpoint, local)


@pytest.mark.parametrize(("text", "endpoint"), [
    ("tcp://*:5555", "tcp://0.0.0.0:5555"), ("tcp://127.0.0.1:*", "tcp://127.0.0.1:0"),
    ("tcp://127.0.0.1:0", "tcp://127.0.0.1:0")])
def test_wildcards_are_for_servers(text, endpoint):
    assert to_bind(text).endpoint == endpoint
    with pytest.raises(BridgeError):
        to_connect(text)


@pytest.mark.parametrize("text", [
    "tcp://0.0.0.0:5999@127.0.0.1", "tcp://127.0.0.1@0.0.0.0:5999", "tcp://127.0.0.1:5999@0.0.0.0:5", "tcp://::1:5555",
    "tcp://[::1:5555", "tcp://[::1]5555", "tcp://[127.0.0.1]:5555", "tcp://[::1%]:5", "tcp://[::1%a b]:5",
    "tcp://127.0.0.1", "tcp://127.0.0.1:", "tcp://127.0.0.1:-1", "tcp://127.0.0.1:65536", "tcp://127.0.0.1:999999",
    "tcp://127.0.0.1:5555/", "tcp://127.0.0.1:5555?x", "tcp://127.0.0.1:5555\n", " tcp://127.0.0.1:5555",
    "tcp://127.0.0.1:5;0.0.0.0:6", "tcp://127.1:5", "tcp://2130706433:5", "tcp://0x7f.0.0.1:5", "tcp://0177.0.0.1:5",
    "tcp://127.0.0.1.:5", "tcp://-x:5", "tcp://ex ample:5", "tcp://:5", "TCP://127.0.0.1:5", "udp://127.0.0.1:5",
    "127.0.0.1:5", "ipc://", "ipc://*", "ipc://@abstract", "ipc:///tmp/a\0b", "inproc://x", "", "tcp://\u0661:5"])
def test_what_is_not_an_address_is_refused_with_a_sentence(text):
    for read in (to_bind, to_connect):
        with pytest.raises(BridgeError, match=r"address|port|interface|host"):
            read(text)


def test_a_path_too_long_for_a_socket_is_told_as_that():
    with pytest.raises(BridgeError, match="TMPDIR"):
        to_bind("ipc:///" + "long/" * 30)


def test_hosts_by_themselves():
    assert is_loopback("::1") and is_loopback("127.0.0.1") and is_loopback("localhost")
    assert not any(map(is_loopback, ("0.0.0.0", "foo", "", "127.1", "::", "localhost:80", "127.0.0.1@x")))
    assert (in_url("::1"), in_url("127.0.0.1")) == ("[::1]", "127.0.0.1")
