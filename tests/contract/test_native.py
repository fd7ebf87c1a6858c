"""The writer in C: the same layout, the same bytes, the same ring as the one in Python."""

from __future__ import annotations

import ctypes
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from capture.engine import EngineSource
from capture.errors import CaptureError, SourceEnded
from capture.frame import BUFFER, FORMATS, HEADER, MAX_SIDE, Buffer, Encoding, Flags, Frame, Kind
from capture.ring import CELL_BYTES, CONTROL, CONTROL_BYTES, RingReader, ring_path
from capture.source import Pacing
from engine_plugins.native.binding import FLAGS, SOURCE, NativeWriter, RmBuffer, RmControl, RmFrame, build, load
from tests.unit.golden_frame import GOLDEN, golden_frame

HEAD = RmControl.head.offset
pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler: apt-get install gcc")


@pytest.fixture(scope="module")
def lib(tmp_path_factory):
    return load(build(tmp_path_factory.mktemp("native")))


@pytest.fixture
def writer(lib, ring_name) -> Iterator[NativeWriter]:
    made = NativeWriter(lib, ring_name, lib.rm_frame_bytes(64 * 48 * 40))
    yield made
    made.close()


@pytest.fixture(scope="module")
def example(tmp_path_factory) -> Path:
    binary = tmp_path_factory.mktemp("example") / "example"
    subprocess.run(["cc", *FLAGS, "-o", str(binary), str(SOURCE / "example.c"), str(SOURCE / "realmaster.c")],
                   check=True)
    return binary


def every_buffer(number: int = 0, width: int = 64, height: int = 48) -> Frame:
    """A frame with a buffer of each kind, of random content."""
    rng = np.random.default_rng(number)
    buffers = {}
    for (kind, encoding), (dtype, channels) in FORMATS.items():
        if encoding is not Encoding.LINEAR_Z:
            shape = height, width, channels
            data = rng.integers(0, 255, shape) if np.dtype(dtype).kind == "u" else rng.random(shape)
            buffers[kind] = Buffer(encoding, data.astype(dtype))
    return Frame(number, 1000 + number, buffers, t_game=number / 8, dt=0.125, flags=Flags.HUD_IN_COLOR)


@pytest.mark.parametrize(("mirror", "table"), [(RmFrame, HEADER), (RmBuffer, BUFFER), (RmControl, CONTROL)])
def test_offsets_are_the_tables(mirror, table):
    """The compiler holds those of the header file; this holds the mirror's, and a golden frame both together."""
    assert {name: getattr(mirror, name).offset for name in table.names} == {n: table.fields[n][1] for n in table.names}
    assert ctypes.sizeof(mirror) == table.itemsize


@pytest.mark.parametrize("compiler", [("cc", "-x", "c", "-std=c11"), ("c++", "-x", "c++", "-std=c++17")])
def test_the_header_is_c_and_cpp(compiler):
    if shutil.which(compiler[0]) is None:
        pytest.skip(f"needs {compiler[0]}")
    strict = ("-Wall", "-Wextra", "-Werror", "-fsyntax-only")
    subprocess.run([*compiler, *strict, str(SOURCE / "realmaster.h")], check=True)


def test_the_golden_frame_has_its_golden_bytes(writer, ring_name):
    writer.publish(golden_frame())
    golden = GOLDEN.read_bytes()
    at = CONTROL_BYTES + CELL_BYTES
    assert ring_path(ring_name).read_bytes()[at:at + len(golden)] == golden


@pytest.mark.parametrize("bottom_up", [False, True])
def test_the_reader_gets_what_was_put(writer, ring_name, bottom_up):
    writer.publish(every_buffer(0))
    reader = RingReader(ring_name)
    for number in range(1, 30):
        sent = every_buffer(number)
        writer.publish(sent, bottom_up)
        assert reader.wait(5)
        frame, _ = reader.read(newest=True)
        assert (frame.frame_id, frame.t_game, frame.dt, frame.flags) == (number, number / 8, 0.125, sent.flags)
        assert frame.buffers.keys() == sent.buffers.keys()
        assert all(np.array_equal(frame.buffers[k].data, sent.buffers[k].data) for k in sent.buffers)
    reader.close()


def test_it_costs_nothing_while_nobody_reads(writer, ring_name):
    assert writer.wanted(), "the first frame, so that readers see what there is"
    writer.publish(every_buffer())
    assert not writer.wanted()
    reader = RingReader(ring_name)
    assert writer.wanted()
    reader.close()
    assert not writer.wanted()


@pytest.mark.parametrize(("change", "told"), [
    (lambda f: {**f.buffers, Kind.COLOR: Buffer(Encoding.RGBA8, np.zeros((480, 640, 4), np.uint8))}, "does not fit"),
    (lambda f: {k: b for k, b in f.buffers.items() if k is not Kind.COLOR}, "COLOR among them")])
def test_mistakes_are_told_and_leave_the_ring_whole(writer, ring_name, change, told):
    class Unchecked:
        """A frame that Python's own checks would refuse."""

        def __init__(self, frame):
            self.__dict__.update(frame.__dict__, buffers=change(frame))

    with pytest.raises(CaptureError, match=told):
        writer.publish(Unchecked(every_buffer()))
    writer.publish(every_buffer(3))
    reader = RingReader(ring_name)
    assert reader.wait(5) and reader.read(newest=True)[0].frame_id == 3
    reader.close()


def test_bad_names_and_buffers_are_refused(lib, writer):
    for name in ("", "a/b", "x" * 65, "é"):
        with pytest.raises(CaptureError, match="letters, digits"):
            NativeWriter(lib, name, 4096)
    with pytest.raises(CaptureError, match="no room"):
        NativeWriter(lib, "far-too-large", 1 << 45)
    lib.rm_begin(writer.ring)
    for kind, encoding, width in ((0, 1, 4), (7, 6, 4), (1, 2, 4), (3, 4, 4), (1, 1, 0), (1, 1, MAX_SIDE + 1)):
        assert lib.rm_put(writer.ring, kind, encoding, width, 4, None, 0) == -4


def test_a_game_in_c_loses_no_frame_when_locked(example, ring_name):
    game = subprocess.Popen([str(example), ring_name, "200"])
    source = EngineSource(ring_name, Pacing.FRAMELOCKED)
    numbers = []
    while len(numbers) < 200:
        if (frame := source.read(5)) is None:
            break
        numbers.append(frame.frame_id)
        assert frame.buffers[Kind.COLOR].data[0, 0, 2] == frame.frame_id % 256
        assert (frame.buffers[Kind.DEPTH].data == 0.5).all()
    assert numbers == list(range(200))
    source.close()
    assert game.wait(10) == 0 and not ring_path(ring_name).exists()


def test_a_locked_game_that_nobody_reads_can_be_ended(example, ring_name):
    game = subprocess.Popen([str(example), ring_name, "200"])
    while not ring_path(ring_name).exists() or ring_path(ring_name).read_bytes()[HEAD] != 1:
        assert game.poll() is None
    game.send_signal(signal.SIGTERM)
    assert game.wait(10) == 0 and not ring_path(ring_name).exists()


def test_a_ring_for_larger_frames_takes_the_place_of_the_old_one(lib, ring_name):
    writer = NativeWriter(lib, ring_name, lib.rm_frame_bytes(64 * 48 * 40))
    writer.publish(every_buffer(0))
    source = EngineSource(ring_name, patience=None)
    while source.read(0.1) is None:
        pass
    with pytest.raises(CaptureError, match="does not fit"):
        writer.publish(every_buffer(1, 128, 96))
    assert lib.rm_reopen(writer.ring, lib.rm_frame_bytes(128 * 96 * 40)) == 0
    writer.publish(every_buffer(2, 128, 96))
    while (frame := source.read(0.1)) is None:
        pass
    assert frame.size == (128, 96) and frame.flags & Flags.RESET
    source.close()
    writer.close()
    assert not ring_path(ring_name).exists()


def test_a_game_does_not_remove_the_ring_of_its_successor(lib, ring_name):
    first, second = (NativeWriter(lib, ring_name, 4096) for _ in range(2))
    there = ring_path(ring_name).stat().st_ino
    assert "another game publishes" in lib.rm_error(lib.rm_reopen(first.ring, 8192)).decode()
    assert ring_path(ring_name).stat().st_ino == there, "nor does it take the name back when it is resized"
    first.close()
    assert ring_path(ring_name).exists()
    second.close()
    assert not ring_path(ring_name).exists()


def test_a_killed_game_is_noticed_and_its_successor_found(example, ring_name):
    game = subprocess.Popen([str(example), ring_name])
    source = EngineSource(ring_name, patience=None)
    while source.read(0.1) is None:
        pass
    game.kill()
    game.wait()
    while not source.trouble:
        source.read(0.1)
    assert "waiting for it to come back" in source.trouble
    game = subprocess.Popen([str(example), ring_name])
    while (frame := source.read(0.1)) is None:
        pass
    assert frame.flags & Flags.RESET
    game.send_signal(signal.SIGTERM)
    assert game.wait(10) == 0
    with pytest.raises(SourceEnded):
        while True:
            source.read(1)
    source.close()
