"""Several readers of one ring: one keeps a frame-locked game in step, the others look on, whoever comes and goes."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

import pytest

from capture.engine import EngineSource
from capture.errors import SourceEnded
from capture.frame import Flags, Frame, packed_size
from capture.ring import RingReader, RingWriter
from capture.ring.layout import LOCKED_FRAMES, LOOK_SECONDS
from capture.source import Pacing
from tests.conftest import moving_frames

COUNT = 60


@contextmanager
def locked_game(ring: str, frames: list[Frame]) -> Iterator[RingWriter]:
    """A frame-locked game in a thread, which closes its ring after the last frame."""
    stop = threading.Event()
    writer = RingWriter(ring, packed_size(frames[0]), framelocked=True, cancelled=stop.is_set)

    def play() -> None:
        for frame in frames:
            if packed_size(frame) > writer.room:
                writer.reopen(packed_size(frame))
            writer.publish(frame)
        writer.close()

    thread = threading.Thread(target=play)
    thread.start()
    try:
        yield writer
    finally:
        stop.set()
        thread.join()


def rest_of(source: EngineSource) -> list[Frame]:
    """What a source gives until its game is over."""
    frames: list[Frame] = []
    with suppress(SourceEnded):
        while True:
            if (frame := source.read(1)) is not None:
                frames.append(frame)
    return frames


def until_held(writer: RingWriter, read: int) -> int:
    """Waits until the game waits for a reader who has read `read` frames and not yet asked for the next.

    Returns how many the game has published by then: it may still write a frame while the reader works on its last.
    """
    held = read - 1 + LOCKED_FRAMES
    while writer.head < held:
        time.sleep(LOOK_SECONDS)
    return held


@pytest.mark.parametrize("pacing", list(Pacing))
def test_one_who_looks_on_takes_no_frame_from_a_recorder(ring_name, pacing):
    with (locked_game(ring_name, moving_frames(COUNT)) as writer,
          closing(EngineSource(ring_name, Pacing.FRAMELOCKED)) as recorder):
        frames = [recorder.read(1)]
        for _ in range(3):
            held = until_held(writer, len(frames))
            if pacing is Pacing.FRAMELOCKED:  # a second recorder has to look on, too
                looker = RingReader(ring_name, firm=True)
                assert looker.wait(1) and looker.read(newest=False) is not None
                looker.acknowledge()
            else:
                looker = EngineSource(ring_name, pacing)
                assert looker.read(1) is not None and looker.read(0) is None
            assert writer.head == held, "the game still waits for the recorder"
            frames += [recorder.read(1) for _ in range(10)]
            looker.close()
        frames += rest_of(recorder)
    assert [f and f.frame_id for f in frames] == list(range(COUNT))
    assert not any(f and f.dropped for f in frames)


def test_check_plugin_takes_no_frame_from_a_recorder(ring_name):
    """The command itself, in a process of its own, which comes while a game is recorded and leaves before it ends."""
    with locked_game(ring_name, moving_frames(3000)), closing(EngineSource(ring_name, Pacing.FRAMELOCKED)) as recorder:
        frames: list[Frame | None] = []
        look = subprocess.Popen([sys.executable, "-m", "realmaster", "check-plugin", ring_name, "--seconds", "1"],
                                stdout=subprocess.PIPE, text=True)
        while look.poll() is None:
            with suppress(subprocess.TimeoutExpired):
                look.wait(0.01)  # the recorder takes its time with each frame
            frames.append(recorder.read(1))
        said, _ = look.communicate()
        frames += [recorder.read(1) for _ in range(10)]
    assert "frames of 64x48, color" in said
    assert [f and f.frame_id for f in frames] == list(range(len(frames)))
    assert not any(f and f.dropped for f in frames)


def test_a_recorder_takes_over_from_one_who_does_not_need_every_frame(ring_name):
    with locked_game(ring_name, moving_frames(COUNT)), closing(EngineSource(ring_name, Pacing.FREERUN)) as looker:
        assert looker.read(1) is not None
        with closing(EngineSource(ring_name, Pacing.FRAMELOCKED)) as recorder:
            frames = [recorder.read(1)]
            while len(frames) < 30:
                looker.read(0)
                frames.append(recorder.read(0.2))
        numbers = [f.frame_id for f in frames if f]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        assert rest_of(looker)[-1].frame_id == COUNT - 1, "then the game goes on with the one who is left"


HOLDER = """
import sys
from capture.ring import RingReader
reader = RingReader(sys.argv[1], firm=True)
reader.wait(5)
print(reader.lease.held, flush=True)
sys.stdin.read()
"""


def test_when_the_holder_is_killed_another_reader_takes_over(ring_name):
    with locked_game(ring_name, moving_frames(COUNT)):
        holder = subprocess.Popen([sys.executable, "-c", HOLDER, ring_name], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True)
        assert holder.stdout is not None and holder.stdout.readline() == "True\n"
        with closing(RingReader(ring_name, firm=True)) as heir:
            assert not heir.lease.held
            holder.kill()
            holder.communicate()
            while not heir.lease.held:
                heir.wait(0.01)
                heir.read(newest=False)
            heir.acknowledge()
            while heir.head < COUNT:
                assert heir.wait(5) and heir.read(newest=False) is not None
                heir.acknowledge()


def test_two_who_ask_at_once_are_not_both_let_in(ring_name):
    frame = moving_frames(1)[0]
    with closing(RingWriter(ring_name, packed_size(frame))) as writer:
        writer.publish(frame)
        readers = [RingReader(ring_name) for _ in range(8)]
        gate = threading.Barrier(len(readers))

        def ask(reader: RingReader) -> None:
            reader.file.put("reader_lease", 0)
            gate.wait()
            reader.beat()

        threads = [threading.Thread(target=ask, args=(reader,)) for reader in readers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for reader in readers:
            reader.beat()
        assert sum(reader.lease.held for reader in readers) == 1
        for reader in readers:
            reader.close()
        assert not writer.reader_alive()


def test_a_looker_keeps_a_game_drawing_when_the_first_one_leaves(ring_name):
    frame = moving_frames(1)[0]
    with closing(RingWriter(ring_name, packed_size(frame))) as writer:
        writer.publish(frame)
        first, second = RingReader(ring_name), RingReader(ring_name)
        first.close()
        assert writer.wanted() and not second.lease.held
        second.beat()
        assert second.lease.held
        second.close()
        assert not writer.wanted()


@pytest.mark.parametrize("pacing", [Pacing.FRAMELOCKED, Pacing.GENLOCKED])
def test_a_game_that_grows_loses_nothing_and_says_so(ring_name, pacing):
    frames = [*moving_frames(20), *moving_frames(20, 128, 96, first=20)]
    with locked_game(ring_name, frames), closing(EngineSource(ring_name, pacing, None)) as source:
        got = rest_of(source)
    assert [f.frame_id for f in got] == list(range(40)) and not any(f.dropped for f in got)
    assert [f.frame_id for f in got if f.flags & Flags.RESET] == [0, 20]
    assert got[19].size == (64, 48) and got[20].size == (128, 96)
