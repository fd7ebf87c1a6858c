"""The frame contract's bytes."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capture.errors import CaptureError
from capture.frame import (
    FORMATS,
    HEADER,
    HEADER_BYTES,
    Buffer,
    Camera,
    CameraSource,
    Encoding,
    Flags,
    Frame,
    Kind,
    color_frame,
    pack_into,
    packed_size,
    unpack,
)
from tests.unit.golden_frame import GOLDEN, golden_frame


def full_frame(width: int, height: int, kinds: set[tuple[Kind, Encoding]], seed: int = 0) -> Frame:
    rng = np.random.default_rng(seed)
    buffers = {}
    for kind, encoding in {*kinds, (Kind.COLOR, Encoding.RGBA8)}:
        dtype, channels = FORMATS[kind, encoding]
        data = rng.integers(0, 200, (height, width, channels)).astype(dtype)
        buffers[kind] = Buffer(encoding, data)
    matrices = [rng.random((4, 4)).astype(np.float32) for _ in range(4)]
    return Frame(7, 123456789, buffers, t_game=1.5, dt=0.04, flags=Flags.RESET | Flags.HUD_IN_COLOR, dropped=3,
                 session_id=99, camera=Camera(*matrices, near=0.1, far=float("inf"), source=CameraSource.DERIVED))


@given(st.integers(1, 33), st.integers(1, 33), st.sets(st.sampled_from(sorted(FORMATS)), max_size=7))
@settings(max_examples=60, deadline=None)
def test_a_frame_survives_the_round_trip(width, height, kinds):
    frame = full_frame(width, height, kinds)
    memory = bytearray(packed_size(frame))
    assert pack_into(frame, memoryview(memory)) == len(memory)
    back = unpack(memoryview(memory))
    assert (back.frame_id, back.t_capture_ns, back.t_game, back.flags, back.dropped, back.session_id) == (
        frame.frame_id, frame.t_capture_ns, frame.t_game, frame.flags, frame.dropped, frame.session_id)
    assert set(back.buffers) == set(frame.buffers)
    for kind, buffer in frame.buffers.items():
        assert back.buffers[kind].encoding == buffer.encoding
        assert np.array_equal(back.buffers[kind].data, buffer.data)
    assert back.camera is not None and frame.camera is not None
    assert np.array_equal(back.camera.view, frame.camera.view) and back.camera.far == float("inf")


def test_the_layout_is_what_the_golden_bytes_say():
    """These bytes are shared with plugins in other languages: a change here needs a new version."""
    memory = bytearray(packed_size(golden_frame()))
    pack_into(golden_frame(), memoryview(memory))
    assert bytes(memory) == GOLDEN.read_bytes()
    assert HEADER.itemsize == HEADER_BYTES == 1024


@given(st.binary(min_size=0, max_size=64), st.integers(0, HEADER_BYTES + 200))
@settings(max_examples=300, deadline=None)
def test_damaged_bytes_give_a_frame_or_an_error_and_nothing_else(noise, place):
    data = bytearray(GOLDEN.read_bytes())
    data[place:place + len(noise)] = noise
    with contextlib.suppress(CaptureError):
        unpack(memoryview(bytes(data)))


@given(st.integers(0, 1400))
@settings(max_examples=200, deadline=None)
def test_truncated_bytes_are_refused(length):
    data = GOLDEN.read_bytes()
    if length < len(data) - 64:
        with pytest.raises(CaptureError):
            unpack(memoryview(data[:length]))


def test_a_missing_buffer_is_absent():
    frame = color_frame(0, 0, np.zeros((4, 4, 3), np.uint8))
    memory = bytearray(packed_size(frame))
    pack_into(frame, memoryview(memory))
    back = unpack(memoryview(memory))
    assert set(back.buffers) == {Kind.COLOR} and back.camera is None


@pytest.mark.parametrize(("kind", "buffer", "words"), [
    (Kind.DEPTH, Buffer(Encoding.RGBA8, np.zeros((4, 4, 4), np.uint8)), "cannot be encoded"),
    (Kind.DEPTH, Buffer(Encoding.LINEAR_Z, np.zeros((4, 4, 1), np.float64)), "not \\(4, 4, 1\\)"),
    (Kind.MOTION, Buffer(Encoding.PIXELS, np.zeros((4, 4, 3), np.float16)), "\\(H, W, 2\\)"),
])
def test_wrong_buffers_are_named(kind, buffer, words):
    color = Buffer(Encoding.RGBA8, np.zeros((4, 4, 4), np.uint8))
    with pytest.raises(CaptureError, match=words):
        Frame(0, 0, {Kind.COLOR: color, kind: buffer})
    with pytest.raises(CaptureError, match="needs a COLOR"):
        Frame(0, 0, {})
