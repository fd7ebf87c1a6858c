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
from bridge.contract import MAX_WINDOW_FRAMES, Chunk, ModelSpec, RenderSettings, Window, padded
from bridge.protocol import HEADER_LIMIT, PROTOCOL_VERSION, Bye, Hello, Ping, Pong, Refuse, Warming, Welcome

GOLDEN = Path(__file__).parents[1] / "golden"
SPEC = ModelSpec(model="tiny", width=256, height=144, length=13, overlap=5, prompts=True)


def window(length: int = 2, width: int = 3, height: int = 2) -> Window:
    return Window(sequence=5, segment=1, start=8, valid=length, continues=True, length=length, width=width,
                  height=height, settings=RenderSettings(strength=0.5, steps=2, seed=3, prompt="night"))


def chunk() -> Chunk:
    return Chunk(sequence=5, segment=1, start=8, valid=2, width=3, height=2, stage_ms={"denoise": 12.5}, period_ms=20.0)


FRAMES = list(np.arange(2 * 2 * 3 * 3, dtype=np.uint8).reshape(2, 2, 3, 3))
CLIENT = {"hello": (Hello(version=PROTOCOL_VERSION, client="test"), []), "window": (window(), FRAMES),
          "ping": (Ping(t_ns=7), []), "bye": (Bye(), [])}
SERVER = {"warming": (Warming(detail="loading"), []), "chunk": (chunk(), FRAMES),
          "welcome": (Welcome(version=PROTOCOL_VERSION, server="realmaster", spec=SPEC, credits=2), []),
          "refuse": (Refuse(code="shape", detail="no", sequence=4), []),
          "pong": (Pong(t_ns=7, known=True, queued=1, rendering_ms=2.0), [])}


@pytest.mark.parametrize("name", [*CLIENT, *SERVER])
def test_messages_survive_the_round_trip_and_match_their_golden_bytes(name):
    decode, (message, frames) = (decode_client, CLIENT[name]) if name in CLIENT else (decode_server, SERVER[name])
    parts = encode(message, frames)
    back, received = decode(parts)
    assert back == message
    assert np.array_equal(received, frames)
    assert b"".join(bytes(p) for p in parts) == (GOLDEN / f"wire_v3_{name}.bin").read_bytes()


@pytest.mark.parametrize("name", [*CLIENT, *SERVER])
def test_every_truncation_is_refused(name):
    decode, (message, frames) = (decode_client, CLIENT[name]) if name in CLIENT else (decode_server, SERVER[name])
    parts = [bytes(p) for p in encode(message, frames)]
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
        message, frames = decode_client([msgspec.msgpack.encode(fields), raw, raw])
    except ProtocolError:
        return
    assert isinstance(message, Window)
    assert all(f.nbytes == len(raw) for f in frames)


@pytest.mark.parametrize("bad", [
    {"length": MAX_WINDOW_FRAMES + 1}, {"width": 5000}, {"height": 0}, {"valid": 3}, {"start": -1}, {"segment": -1}])
def test_limits_hold_before_anything_is_allocated(bad):
    fields = {**msgspec.to_builtins(window()), **bad}
    with pytest.raises(ProtocolError):
        decode_client([msgspec.msgpack.encode(fields), bytes(18), bytes(18)])


def test_a_long_header_is_refused_unread():
    with pytest.raises(ProtocolError, match="too long"):
        decode_client([bytes(HEADER_LIMIT + 1)])


def test_encode_refuses_pixels_that_do_not_fit_their_header():
    with pytest.raises(ValueError, match="Window"):
        encode(window(), FRAMES[:1])
    with pytest.raises(ValueError, match="Window"):
        encode(window(), [f[:1] for f in FRAMES])
    backwards = codec.encode(window(), [f[:, ::-1] for f in FRAMES])
    assert np.array_equal(decode_client(backwards)[1], np.array(FRAMES)[:, :, ::-1])


def test_frames_that_only_pad_are_not_sent():
    parts = encode(msgspec.structs.replace(window(), length=9), FRAMES)
    assert len(parts) == 3
    assert len(padded(decode_client(parts)[1], 9)) == 9


def write_golden() -> None:
    """Writes the golden bytes anew; only with a new protocol version."""
    for name, (message, frames) in {**CLIENT, **SERVER}.items():
        (GOLDEN / f"wire_v3_{name}.bin").write_bytes(b"".join(bytes(p) for p in encode(message, frames)))


if __name__ == "__main__":
    write_golden()
