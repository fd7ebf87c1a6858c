"""What may lie under a ring's name, and what may become of a ring while it is read: told, bounded, survived."""

from __future__ import annotations

import dataclasses
import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from capture.engine import EngineSource
from capture.errors import CaptureError
from capture.frame import HEADER, Camera, Flags, Frame, packed_size
from capture.ring import CELL_BYTES, CONTROL_BYTES, RingReader, RingWriter, in_use, ring_path
from capture.source import Pacing
from tests.conftest import moving_frames

ROOT = Path(__file__).parents[2]
NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="another user's files can be made by root alone")


@pytest.fixture
def path(ring_name: str) -> Iterator[Path]:
    """Where the ring lies; whatever was made there is gone after the test."""
    path = ring_path(ring_name)
    yield path
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    path.unlink(missing_ok=True)


@pytest.fixture
def writer(ring_name: str) -> Iterator[RingWriter]:
    """A game's ring with a frame in it."""
    frame = moving_frames(1)[0]
    made = RingWriter(ring_name, packed_size(frame))
    made.publish(frame)
    yield made
    made.close()


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


def a_sparse_ring(path: Path) -> None:
    page = bytearray(CONTROL_BYTES)
    struct.pack_into("<IIIIQ", page, 0, 0x31524D52, 1, 1 << 20, 0, 1 << 20)
    path.write_bytes(page)
    os.truncate(path, CONTROL_BYTES + (1 << 40))


THINGS: dict[str, tuple[Callable[[Path], object], str]] = {
    "a pipe": (os.mkfifo, "not a ring"), "a folder": (lambda p: p.mkdir(), "no ring of yours"),
    "a socket": (a_socket, "no ring of yours"), "a link to nothing": (lambda p: p.symlink_to("nowhere"), "no ring"),
    "a link to a file": (lambda p: p.symlink_to("/etc/passwd"), "no ring of yours"),
    "an empty file": (lambda p: p.touch(), "not a ring"),
    "noise": (lambda p: p.write_bytes(os.urandom(8192)), "not a ring"),
    "a terabyte of nothing": (a_sparse_ring, "sparse"),
}


@pytest.mark.parametrize("thing", THINGS)
def test_what_is_no_ring_is_told_and_waited_past(thing, ring_name, path):
    make, words = THINGS[thing]
    make(path)
    if not path.is_symlink() and path.is_file():
        path.chmod(0o600)
    with pytest.raises(CaptureError, match=words):
        RingReader(ring_name)
    with pytest.raises(CaptureError, match=words):
        EngineSource(ring_name, patience=0)
    with closing(EngineSource(ring_name, patience=None)) as source:
        assert source.read(0.01) is None and words in source.trouble
        assert not in_use(ring_name)
        if thing == "a folder":
            with pytest.raises(CaptureError, match="not ours to replace"):
                RingWriter(ring_name, 4096)
        else:  # it is ours: a game may have its name
            frame = moving_frames(1)[0]
            with closing(RingWriter(ring_name, packed_size(frame))) as game:
                game.publish(frame)
                assert source.read(1) is not None and not source.trouble


@needs_root
def test_another_users_ring_is_refused(writer, ring_name, path):
    os.chown(path, NOBODY, NOBODY)
    path.chmod(0o666)
    with pytest.raises(CaptureError, match="another user"):
        RingReader(ring_name)
    assert not in_use(ring_name)


def test_a_ring_that_others_can_write_is_refused(writer, ring_name, path):
    path.chmod(0o622)
    with pytest.raises(CaptureError, match="mode 0600"):
        RingReader(ring_name)


def run(code: str, ring: str, *before: str) -> subprocess.CompletedProcess[str]:
    """`code` in a process of its own."""
    words = "import os, sys\nfrom capture.errors import CaptureError\nfrom capture.ring import RingReader, RingWriter\n"
    return subprocess.run([*before, sys.executable, "-c", words + code, ring], cwd=ROOT, capture_output=True, text=True,
                          check=False)


@needs_root
def test_a_name_that_another_user_has_is_told_and_his_ring_stays(writer, ring_name, path):
    for code in ("RingWriter(sys.argv[1], 4096)", "RingReader(sys.argv[1])"):
        done = run(f"os.setuid({NOBODY})\ntry: {code}\nexcept CaptureError as error: print(error)", ring_name)
        assert "another name" in done.stdout, done.stderr
    assert in_use_while_beating(writer, ring_name)
    assert not list(path.parent.glob(f"{path.name}.*")), "nothing is left behind"


def in_use_while_beating(writer: RingWriter, ring_name: str) -> bool:
    """`in_use`, with a heart that beats meanwhile."""
    with subprocess.Popen([sys.executable, "-c", f"from capture.ring import in_use; print(in_use({ring_name!r}))"],
                          cwd=ROOT, stdout=subprocess.PIPE, text=True) as asked:
        while asked.poll() is None:
            writer.beat()
            time.sleep(0.02)
        assert asked.stdout is not None
        return asked.stdout.read() == "True\n"


@needs_root
def test_a_full_disk_is_told_and_nothing_stays(ring_name):
    """A megabyte of shared memory, in a namespace of its own."""
    code = ("try: RingWriter(sys.argv[1], 1 << 20)\nexcept CaptureError as error: print(error)\n"
            "print(os.listdir('/dev/shm'))")
    done = run(code, ring_name, "unshare", "--mount", "sh", "-c",
               'mount -t tmpfs -o size=1m tmpfs /dev/shm && exec "$@"', "-")
    if "mount" in done.stderr or "unshare" in done.stderr:
        pytest.skip(f"no file system can be mounted here: {done.stderr}")
    assert "no room for a 8 MiB ring" in done.stdout and done.stdout.endswith("[]\n"), done


def test_a_closing_game_leaves_its_successors_ring(ring_name, path):
    first, second = (RingWriter(ring_name, 4096) for _ in range(2))
    with pytest.raises(CaptureError, match="another game publishes the ring"):
        first.reopen(8192)
    assert path.stat().st_ino == second.inode and first.room >= 4096, "nor does it take the name back"
    assert not list(path.parent.glob(f"{path.name}.*"))
    first.close()
    assert path.exists()
    second.close()
    assert not path.exists()
    second.reopen(8192)
    assert path.exists(), "a name that is nobody's is free"
    second.close()


@pytest.mark.parametrize("size", [0, 100, CONTROL_BYTES, CONTROL_BYTES + 500])
@pytest.mark.parametrize("pacing", list(Pacing))
def test_a_ring_that_is_cut_short_is_left_and_the_next_one_found(writer, ring_name, path, size, pacing):
    frames = moving_frames(4)
    with closing(EngineSource(ring_name, pacing, None)) as source:
        assert source.read(1) is not None
        for frame in frames[1:3]:
            writer.publish(frame)
        os.truncate(path, size)
        assert source.read(0.05) is None and "cut short" in source.trouble
        source.keep_alive()
        path.unlink()
        with closing(RingWriter(ring_name, packed_size(frames[3]))) as successor:
            successor.publish(frames[3])
            frame = source.read(1)
            assert frame is not None and frame.flags & Flags.RESET and not source.trouble
    RingWriter(ring_name, 4096).close()  # what the fixture closes is not mapped any more
    writer.control = np.zeros(1, writer.control.dtype)


@pytest.mark.parametrize("head", [2**64 - 1, 2**63, 10**6])
def test_counters_that_fit_no_frame_end_in_a_sentence_and_not_in_a_loop(writer, ring_name, head):
    with closing(EngineSource(ring_name, patience=None)) as source:
        assert source.read(1) is not None
        writer.control["head"] = head
        while not source.trouble:
            assert source.read(0.05) is None
            writer.beat()
        assert "do not fit" in source.trouble
        writer.control["head"] = 0  # as a count that wraps
        writer.publish(moving_frames(1)[0])
        source.read(0.01)
        writer.publish(moving_frames(1)[0])
        assert source.read(1) is not None and not source.trouble


def test_a_heartbeat_in_the_future_is_nobodys(writer, ring_name):
    hour = 3_600_000_000_000
    writer.control["heartbeat_ns"] = time.monotonic_ns() + hour
    with pytest.raises(CaptureError, match="no game"):
        EngineSource(ring_name, patience=0)
    writer.framelocked = True
    writer.control["reader_heartbeat_ns"] = time.monotonic_ns() + hour
    for frame in moving_frames(5):
        writer.publish(frame)  # waits for no such reader
    assert not writer.reader_alive()


def broken(frame: Frame, **facts: object) -> Frame:
    return dataclasses.replace(frame, **facts)


EYE = np.eye(4, dtype=np.float32)
BAD: dict[str, dict[str, object]] = {
    "a zero view": {"camera": Camera(EYE * 0, EYE, EYE, EYE, 0.1, 9)},
    "a NaN in a matrix": {"camera": Camera(EYE, EYE * np.float32("nan"), EYE, EYE, 0.1, 9)},
    "near of NaN": {"camera": Camera(EYE, EYE, EYE, EYE, float("nan"), 9)},
    "a time that is none": {"t_game": float("inf")}, "a step backwards": {"dt": -1.0},
    "a capture time at the end of time": {"t_capture_ns": 2**64 - 1}, "no unit": {"metres_per_unit": 0.0}}


@pytest.mark.parametrize("facts", BAD.values(), ids=BAD)
@pytest.mark.parametrize("pacing", [Pacing.FREERUN, Pacing.GENLOCKED])
def test_a_frame_that_cannot_be_is_a_counted_drop(ring_name, facts, pacing):
    good = dataclasses.replace(moving_frames(1)[0], camera=Camera(EYE, EYE, EYE, EYE, 0.1, 9))
    with closing(RingWriter(ring_name, packed_size(good))) as writer:
        writer.publish(good)
        with closing(EngineSource(ring_name, pacing)) as source:
            assert source.read(1) is not None
            for _ in range(3):
                writer.publish(broken(good, **facts))
            assert source.read(0.01) is None
            writer.publish(good)
            frame = source.read(1)
            assert frame is not None and frame.dropped == 3


@pytest.mark.parametrize("at", [0, 4, 8, HEADER.fields["buffer_count"][1], HEADER.fields["buffers"][1] + 8])
def test_a_header_that_is_damaged_later_on_is_a_counted_drop(writer, ring_name, at):
    with closing(EngineSource(ring_name, Pacing.GENLOCKED)) as source:
        assert source.read(1) is not None
        frame = moving_frames(1)[0]
        writer.publish(frame)
        start = CONTROL_BYTES + writer.slot_bytes + CELL_BYTES + at
        writer.memory[start:start + 4] = b"\xff" * 4
        writer.publish(frame)
        read = source.read(1)
        assert read is not None and read.dropped == 1


def test_a_game_that_gives_only_bad_frames_is_told(ring_name):
    bad = broken(moving_frames(1)[0], **BAD["a zero view"])
    with closing(RingWriter(ring_name, packed_size(bad))) as writer:
        writer.publish(bad)
        with pytest.raises(CaptureError, match="was left out"):
            EngineSource(ring_name, patience=0)


def test_a_dead_games_ring_costs_no_handle_thread_or_memory(writer, ring_name):
    writer.control["heartbeat_ns"] = 1
    with closing(EngineSource(ring_name, patience=None)) as source:
        def held() -> tuple[int, int, int]:
            fds, tasks = (len(list(Path(f"/proc/self/{what}").iterdir())) for what in ("fd", "task"))
            return fds, tasks, Path("/proc/self/maps").read_text().count(writer.path.name)

        before = held()
        for _ in range(50):
            assert source.read(0.001) is None
        assert held() == before and source.reader is None
