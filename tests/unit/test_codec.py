"""The wire's codec: strict, typed, and nothing but `ProtocolError` whatever comes in."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge import codec
from bridge.codec import ProtocolError, decode_client, decode_server, encode
from bridge.protocol import (
    HEADER_LIMIT,
    MAX_WINDOW_FRAMES,
    PROTOCOL_VERSION,
    Bye,
    Chunk,
    Hello,
    ModelSpec,
    Ping,
    Pong,
    Refuse,
    RenderSettings,
    Warming,
    Welcome,
    Window,
)

GOLDEN = Path(__file__).parents[1] / "golden"
SPEC = ModelSpec(model="tiny", width=256, height=144, length=13, overlap=5)


def window(length: int = 2, width: int = 3, height: int = 2) -> Window:
    return Window(sequence=5, segment=1, start=8, valid=length, continues=True, length=length, width=width,
                  height=height, settings=RenderSettings(strength=0.5, steps=2, seed=3))


def chunk() -> Chunk:
    return Chunk(sequence=5, segment=1, start=8, valid=2, continues=True, length=2, width=3, height=2,
                 stage_ms={"denoise": 12.5})


PIXELS = np.arange(2 * 2 * 3 * 3, dtype=np.uint8).reshape(2, 2, 3, 3)
CLIENT = {"hello": (Hello(version=PROTOCOL_VERSION, client="test"), None), "window": (window(), PIXELS),
          "ping": (Ping(t_ns=7), None), "bye": (Bye(), None)}
SERVER = {"warming": (Warming(detail="loading"), None), "chunk": (chunk(), PIXELS),
          "welcome": (Welcome(version=PROTOCOL_VERSION, server="realmaster", spec=SPEC, credits=2), None),
          "refuse": (Refuse(code="shape", detail="no", sequence=4), None),
          "pong": (Pong(t_ns=7, queued=1, rendering_ms=2.0), None)}


@pytest.mark.parametrize("name", [*CLIENT, *SERVER])
def test_messages_survive_the_round_trip_and_match_their_golden_bytes(name):
    decode, (message, pixels) = (decode_client, CLIENT[name]) if name in CLIENT else (decode_server, SERVER[name])
    parts = encode(message, pixels)
    back, array = decode(parts)
    assert back == message
    assert pixels is None or np.array_equal(array, pixels)
    assert b"".join(bytes(p) for p in parts) == (GOLDEN / f"wire_v1_{name}.bin").read_bytes()


@pytest.mark.parametrize("name", [*CLIENT, *SERVER])
def test_every_truncation_is_refused(name):
    decode, (message, pixels) = (decode_client, CLIENT[name]) if name in CLIENT else (decode_server, SERVER[name])
    parts = [bytes(p) for p in encode(message, pixels)]
    for i, part in enumerate(parts):
        for cut in range(len(part)):
            with pytest.raises(ProtocolError):
                decode([*parts[:i], part[:cut], *parts[i + 1:]])
    with pytest.raises(ProtocolError):
        decode([*parts, b""])
    with pytest.raises(ProtocolError):
        decode([])


@given(st.lists(st.binary(max_size=300), max_size=4))
@settings(max_examples=500, deadline=None)
def test_garbage_is_refused(parts):
    for decode in (decode_client, decode_server):
        with pytest.raises(ProtocolError):
            decode(parts)


@given(st.dictionaries(st.sampled_from([*Window.__struct_fields__, "extra"]),
                       st.one_of(st.integers(-2**40, 2**40), st.booleans(), st.text(max_size=5), st.none()),
                       max_size=10),
       st.binary(max_size=64))
@settings(max_examples=500, deadline=None)
def test_a_window_with_other_fields_is_refused_or_consistent(changes, raw):
    fields = {**msgspec.to_builtins(window()), **changes}
    try:
        message, pixels = decode_client([msgspec.msgpack.encode(fields), raw])
    except ProtocolError:
        return
    assert isinstance(message, Window) and pixels is not None
    assert pixels.nbytes == len(raw)


@pytest.mark.parametrize("bad", [
    {"length": MAX_WINDOW_FRAMES + 1}, {"width": 5000}, {"height": 0}, {"valid": 3}, {"start": -1}, {"segment": -1}])
def test_limits_hold_before_anything_is_allocated(bad):
    fields = {**msgspec.to_builtins(window()), **bad}
    with pytest.raises(ProtocolError):
        decode_client([msgspec.msgpack.encode(fields), bytes(36)])


def test_a_long_header_is_refused_unread():
    with pytest.raises(ProtocolError, match="too long"):
        decode_client([bytes(HEADER_LIMIT + 1)])


def test_encode_refuses_pixels_that_do_not_fit_their_header():
    with pytest.raises(ValueError, match="Window"):
        encode(window(), PIXELS[:1])
    assert codec.encode(window(), PIXELS[:, :, ::-1])[1].nbytes == PIXELS.nbytes


def write_golden() -> None:
    """Writes the golden bytes anew; only with a new protocol version."""
    for name, (message, pixels) in {**CLIENT, **SERVER}.items():
        (GOLDEN / f"wire_v1_{name}.bin").write_bytes(b"".join(bytes(p) for p in encode(message, pixels)))


if __name__ == "__main__":
    write_golden()
