"""Recording: every bit of every buffer comes back, whatever happens to the recorder."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest

from capture.errors import CaptureError
from capture.frame import Buffer, Camera, CameraSource, Encoding, Flags, Frame, Kind
from capture.recording.layout import INDEX, About
from capture.recording.recorder import QUEUE, Recorder
from capture.recording.recover import recover
from capture.recording.replay import Replay
from capture.session import SessionSource

RNG = np.random.default_rng(0)


def full_frame(i: int, width: int = 64, height: int = 48, linear: bool = False) -> Frame:
    """A frame with every buffer, of random bits (so NaN and infinity too)."""
    def bits(dtype: str, channels: int) -> np.ndarray:
        size = np.dtype(dtype).itemsize
        return RNG.integers(0, 256, (height, width, channels * size), np.uint8).view(dtype)

    color = bits("u1", 4)
    color[..., 3] = 255
    depth = Buffer(Encoding.LINEAR_Z, bits("<f4", 1)) if linear else Buffer(Encoding.INVERSE_Z, bits("<f2", 1))
    matrices = [RNG.normal(size=(4, 4)).astype(np.float32) for _ in range(4)]
    return Frame(i, 5_000_000_000 + i * 40_000_000, {
        Kind.COLOR: Buffer(Encoding.RGBA8, color), Kind.SCENE_COLOR: Buffer(Encoding.RGBA8, color[::-1].copy()),
        Kind.DEPTH: depth, Kind.MOTION: Buffer(Encoding.PIXELS, bits("<f2", 2)),
        Kind.NORMAL: Buffer(Encoding.WORLD_XYZ0, bits("<f2", 4)),
        Kind.OBJECT_ID: Buffer(Encoding.INDEX, bits("<u4", 1)),
    }, t_game=i / 24, dt=1 / 24, flags=Flags.RESET if i == 0 else Flags.NONE, session_id=9, metres_per_unit=0.5,
        camera=Camera(*matrices, near=0.1, far=float("inf"), source=CameraSource.DERIVED))


def recorder(lossless: bool = True, seconds: float = 0, limit: int = 1 << 30, reserve: int = 0) -> Recorder:
    return Recorder(About(source="test", pacing="framelocked"), lossless=lossless, replay_seconds=seconds,
                    replay_bytes=limit, reserve=reserve)


def record(path: Path, frames: list[Frame], photos: bool = False) -> Path:
    r = recorder()
    r.start(path)
    for frame in frames:
        r.take(frame)
        if photos:
            r.take_photo(frame.t_capture_ns, np.ascontiguousarray(frame.rgb))
    r.close()
    assert not r.status.error
    return path


def same(a: Frame, b: Frame) -> None:
    assert a.buffers.keys() == b.buffers.keys()
    for kind, buffer in a.buffers.items():
        assert buffer.encoding is b.buffers[kind].encoding
        assert buffer.data.tobytes() == b.buffers[kind].data.tobytes(), kind
    for fact in ("frame_id", "t_game", "dt", "flags", "dropped", "session_id", "metres_per_unit"):
        assert getattr(a, fact) == getattr(b, fact), fact
    assert a.camera is not None and b.camera is not None
    assert np.array_equal(a.camera.view, b.camera.view)
    assert np.array_equal(a.camera.previous_projection, b.camera.previous_projection)
    assert (a.camera.near, a.camera.far, a.camera.source) == (b.camera.near, b.camera.far, b.camera.source)


def read_all(path: Path) -> list[Frame]:
    source = SessionSource(path)
    return [frame for _ in range(source.frames_hint) if (frame := source.read(1)) is not None]


def test_every_bit_comes_back_across_changes_of_size_and_buffers(tmp_path):
    frames = [full_frame(i) for i in range(7)] + [full_frame(i, 33, 17) for i in range(7, 12)]
    frames += [full_frame(i, 33, 17, linear=True) for i in range(12, 15)]
    back = read_all(record(tmp_path / "take", frames))
    assert len(back) == len(frames)
    for sent, got in zip(frames, back, strict=True):
        same(sent, got)
    assert [f.t_capture_ns for f in back] == [40_000_000 * i for i in range(15)]


def test_other_tools_can_open_it(tmp_path):
    path = record(tmp_path / "take", [full_frame(i) for i in range(10)], photos=True)
    for file in path.glob("*.mkv"):
        with av.open(str(file)) as container:
            assert sum(1 for _ in container.decode(video=0)) == 10, file.name
    lines = [json.loads(line) for line in (path / INDEX).read_text().splitlines()]
    assert [line["type"] for line in lines] == ["section"] + ["frame"] * 10 + ["end"]


def test_it_can_be_sought_in_and_cut(tmp_path):
    path = record(tmp_path / "take", [full_frame(i) for i in range(20)])
    source = SessionSource(path)
    source.seek(0.5)
    frame = source.read(1)
    assert frame is not None and frame.frame_id == 13 and frame.flags & Flags.RESET
    source.seek(0.1)
    assert [source.read(1).frame_id for _ in range(3)] == [3, 4, 5]
    part = SessionSource(path, 0.2, 0.4)
    assert part.frames_hint == 5 and part.read(1).frame_id == 5
    part.skip(2)
    assert part.read(1).frame_id == 8
    with pytest.raises(CaptureError, match=r"0\.8 s long"):
        SessionSource(path, 5.0)


def test_a_recorder_that_cannot_keep_up_counts_what_it_loses_and_writes_it_down(tmp_path):
    r = recorder(lossless=False)
    blocked = [full_frame(i, 320, 240) for i in range(8)]
    r.start(tmp_path / "take")
    taken = 0
    for _ in range(12):
        for frame in blocked:
            r.take(Frame(taken, taken * 1_000_000, frame.buffers))
            taken += 1
    r.close()
    _, *entries, end = (json.loads(line) for line in (tmp_path / "take" / INDEX).read_text().splitlines())
    assert QUEUE - 1 <= len(entries) < taken, "it kept up: the test shows nothing"
    assert len(entries) + sum(e["dropped"] for e in entries) + end["dropped"] == taken


def test_the_replay_is_bounded_in_seconds_and_in_bytes(tmp_path):
    frames = [full_frame(i) for i in range(60)]
    r = recorder(seconds=1.0)
    for frame in frames:
        r.take(frame)
        r.take_photo(frame.t_capture_ns, frame.rgb)
    r.save_replay(tmp_path / "replay")
    r.close()
    back = read_all(tmp_path / "replay")
    assert [f.frame_id for f in back] == list(range(34, 60)), "the last second"
    for sent, got in zip(frames[35:], back[1:], strict=True):  # the first one says that it is the first
        same(sent, got)
    with av.open(str(tmp_path / "replay" / "photo.mkv")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 26
    small = recorder(seconds=1000.0, limit=300_000)
    for frame in frames:
        small.take(frame)
    small.close()
    assert small.replay is not None and 0 < small.replay.bytes <= 300_000
    assert small.status.replay_bytes == small.replay.bytes


def test_an_empty_replay_and_a_taken_name_are_told(tmp_path):
    r = recorder(seconds=1.0)
    r.save_replay(tmp_path / "replay")
    r.close()
    assert "nothing is remembered" in r.status.error
    record(tmp_path / "take", [full_frame(0)])
    r = recorder()
    r.start(tmp_path / "take")
    r.close()
    assert "exists already" in r.status.error
    assert Replay(1, 1).seconds == 0.0


RECORDING = """
import sys
from pathlib import Path
from tests.system.test_recording import full_frame, recorder
import threading
r = recorder()
beat = threading.Event()
r.start(Path(sys.argv[1]))
frames = [full_frame(i, 96, 64) for i in range(10)]
i = 0
while True:
    f = frames[i % 10]
    f = f.__class__(i, i * 33_000_000, f.buffers, t_game=i / 30, camera=f.camera)
    r.take(f)
    r.take_photo(f.t_capture_ns, f.rgb)
    i += 1
    print(i, flush=True)
    beat.wait(1 / 30)  # the game's own pace
"""
HALF_A_SECOND = 15


def killed_recording(path: Path, after: int, limits: str = "") -> int:
    """Records in another process, which is killed once it has taken `after` frames; how many it had really taken."""
    child = subprocess.Popen([sys.executable, "-c", limits + RECORDING, str(path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    taken = 0
    for line in child.stdout:
        taken = int(line)
        if taken >= after:
            break
    child.send_signal(signal.SIGKILL)
    rest, _ = child.communicate()
    return int(rest.split()[-1]) if rest.split() else taken


def check_recovery(path: Path, taken: int) -> int:
    """Recovers, checks that all buffers are in step, and returns how many of the taken frames are gone."""
    found = recover(path)
    assert found.path == path and not path.with_name(path.name + ".part").exists()
    frames = read_all(path)
    assert [f.frame_id for f in frames] == list(range(found.kept))
    assert all(len(f.buffers) == 6 for f in frames)
    with av.open(str(path / "color.mkv")) as container:
        assert sum(1 for _ in container.decode(video=0)) == found.kept
    again = recover(path)
    assert (again.kept, again.lost) == (found.kept, 0)
    return taken - found.kept


@pytest.mark.parametrize("after", [25, 60])
def test_killed_while_recording_all_but_the_last_moment_comes_back(tmp_path, after):
    taken = killed_recording(tmp_path / "take", after)
    assert check_recovery(tmp_path / "take", taken) <= HALF_A_SECOND


@pytest.mark.slow
def test_killed_at_fifty_random_moments(tmp_path):
    """At most half a second is gone, every time, and `recover` counts it."""
    rng = np.random.default_rng(7)
    lost: list[int] = []
    for n in range(50):
        path = tmp_path / f"take{n}"
        taken = killed_recording(path, int(rng.integers(HALF_A_SECOND + 1, 90)))
        lost.append(check_recovery(path, taken))
        shutil.rmtree(path)
    print(f"50 kills at 30 frames a second: {sum(lost) / 50:.1f} frames lost on average, {max(lost)} at most")
    assert max(lost) <= HALF_A_SECOND


def test_recover_is_honest(tmp_path):
    whole = record(tmp_path / "whole", [full_frame(i) for i in range(12)], photos=True)
    assert status(whole) == 0
    cut = tmp_path / "cut"
    shutil.copytree(whole, cut)
    file = cut / "depth.mkv"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    assert status(cut) == 3
    found = recover(tmp_path / "cut-recovered")
    assert 0 < found.kept < 12
    assert [f.frame_id for f in read_all(tmp_path / "cut-recovered")] == list(range(found.kept))
    empty = tmp_path / "empty.part"
    shutil.copytree(whole, empty)
    (empty / "color.mkv").write_bytes(b"")
    assert status(tmp_path / "empty") == 1
    assert status(tmp_path / "nowhere") == 1


def test_a_lost_index_is_rebuilt_from_the_pictures(tmp_path):
    frames = [full_frame(i, linear=True) for i in range(9)]
    path = record(tmp_path / "take", frames)
    (path / INDEX).write_bytes(b"\x00garbage\n")
    found = recover(path)
    assert (found.kept, found.lost, found.rebuilt) == (9, 0, 9)
    for sent, got in zip(frames, read_all(found.path), strict=True):
        assert all(b.data.tobytes() == got.buffers[k].data.tobytes() for k, b in sent.buffers.items())


def status(path: Path) -> int:
    done = subprocess.run([sys.executable, "-m", "realmaster", "recover", str(path)], capture_output=True, text=True,
                          check=False)
    assert "Traceback" not in done.stderr
    assert done.stdout or done.returncode == 1
    return done.returncode


def test_a_disk_that_fills_up_costs_nothing_that_was_written(tmp_path):
    """The kernel refuses to let any file grow past 2 MB, in a process of its own."""
    limits = "import resource, signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n" \
             "resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))\n"
    code = limits + RECORDING.replace("    i += 1\n", "    i += 1\n    if r.status.error: sys.exit(r.status.error)\n")
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "take")], capture_output=True, text=True,
                          timeout=120, check=False)
    assert "recover" in done.stderr and "Traceback" not in done.stderr, done.stderr
    assert recover(tmp_path / "take").kept > 5


def test_recording_ends_whole_before_the_disk_is_full(tmp_path):
    r = recorder(reserve=1 << 60)
    r.start(tmp_path / "take")
    deadline = time.monotonic() + 30
    i = 0
    while not r.status.error and time.monotonic() < deadline:
        r.take(full_frame(i))
        i += 1
    r.close()
    assert "kept free" in r.status.error
    assert len(read_all(tmp_path / "take")) > 0


def test_an_unfinished_session_says_how_to_mend_it(tmp_path):
    killed_recording(tmp_path / "take", 20)
    with pytest.raises(CaptureError, match="realmaster recover"):
        SessionSource(tmp_path / "take")
    r = recorder()
    r.start(tmp_path / "take")
    r.close()
    assert "cut short" in r.status.error


def test_on_the_games_clock_time_goes_on_when_the_game_begins_anew(tmp_path):
    r = Recorder(About(source="test", pacing="framelocked", clock="game"), lossless=True, replay_seconds=0,
                 replay_bytes=0, reserve=0)
    r.start(tmp_path / "take")
    small = full_frame(0).buffers
    for i, t_game in enumerate([5.0, 5.1, 5.2, 0.0, 0.1, 0.2]):
        r.take(Frame(i, i, small, t_game=t_game))
    r.close()
    assert SessionSource(tmp_path / "take").index.pts == [0, 100, 200, 201, 301, 401]
