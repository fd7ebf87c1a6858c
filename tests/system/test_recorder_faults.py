"""What goes wrong while a recording runs costs it no more than it must, and is told."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from capture.errors import CaptureError
from capture.frame import Frame
from capture.recording import recorder as recorder_module
from capture.recording.layout import INDEX, About
from capture.recording.reader import read_index
from capture.recording.recorder import Recorder, RecorderStatus
from capture.recording.recover import recover
from capture.recording.tracks import CodedFrame, CodedPhoto
from capture.recording.writer import SessionWriter
from capture.session import SessionSource
from tests.system.test_recording import full_frame, read_all, record, recorder

NAN = math.nan


def until(r: Recorder, true) -> RecorderStatus:
    """The first status of which `true` holds."""
    deadline = time.monotonic() + 60
    while not true(r.status):
        assert time.monotonic() < deadline, r.status
        threading.Event().wait(0.02)
    return r.status


def singular(frame: Frame) -> Frame:
    assert frame.camera is not None
    view = frame.camera.view.copy()
    view[0] = 0
    return replace(frame, camera=replace(frame.camera, view=view))


def with_nan(frame: Frame) -> Frame:
    assert frame.camera is not None
    lens = frame.camera.previous_projection.copy()
    lens[2, 3] = NAN
    return replace(frame, camera=replace(frame.camera, previous_projection=lens))


BAD = [lambda f: replace(f, t_game=NAN), lambda f: replace(f, dt=math.inf), with_nan, singular,
       lambda f: replace(f, metres_per_unit=0.0), lambda f: replace(f, frame_id=-1),
       lambda f: replace(f, dropped=2**40)]


@pytest.mark.parametrize("clock", ["capture", "game"])
@pytest.mark.parametrize("spoil", BAD)
def test_a_frame_that_cannot_be_is_left_out_counted_and_told_and_the_recording_goes_on(tmp_path, spoil, clock):
    r = Recorder(About(source="test", pacing="framelocked", clock=clock), lossless=True, replay_seconds=5,
                 replay_bytes=1 << 30, reserve=0)
    r.start(tmp_path / "take")
    for i in range(10):
        r.take(spoil(full_frame(i)) if i in {2, 3, 7} else full_frame(i))
    told = until(r, lambda s: s.frames == 7)
    r.close()
    assert told.trouble and not told.error
    index = read_index(tmp_path / "take")
    assert (len(index.pts), index.damaged) == (7, 0)
    assert told.lost == index.missing >= 3
    assert [f.frame_id for f in read_all(tmp_path / "take")] == [0, 1, 4, 5, 6, 8, 9]


def test_a_clock_that_jumps_by_years_leaves_no_gap_of_years(tmp_path):
    r = Recorder(About(source="test", pacing="framelocked", clock="game"), lossless=True, replay_seconds=0,
                 replay_bytes=0, reserve=0)
    r.start(tmp_path / "take")
    for i, t_game in enumerate([0.0, 0.1, 9e9, 9e9 + 0.1, -5.0]):
        r.take(replace(full_frame(i), t_game=t_game))
    r.close()
    assert read_index(tmp_path / "take").pts == [0, 100, 101, 201, 202]


def test_a_recorder_that_fails_is_told_and_nobody_waits_for_it(tmp_path, monkeypatch):
    """Whatever one item raises in the recorder's thread: the next recording can begin."""
    r = recorder()
    monkeypatch.setattr(r._timeline, "place", lambda frame: 1 // 0)
    r.start(tmp_path / "take")
    for i in range(recorder_module.QUEUE * 3):
        r.take(full_frame(i))
    assert "ZeroDivisionError" in until(r, lambda s: bool(s.error)).error
    monkeypatch.undo()
    r.start(tmp_path / "again")
    r.take(full_frame(0))
    r.close()
    assert len(read_all(tmp_path / "again")) == 1 and not r.status.error


def test_a_disk_that_hangs_holds_a_locked_game_up_once_not_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(recorder_module, "PUT_SECONDS", 0.2)
    r, hang = Recorder(About(source="test", pacing="framelocked"), lossless=True, replay_seconds=0, replay_bytes=0,
                       reserve=0), threading.Event()
    write = SessionWriter.write

    def slow(self: SessionWriter, coded: CodedFrame | CodedPhoto) -> None:
        hang.wait(60)
        write(self, coded)

    monkeypatch.setattr(SessionWriter, "write", slow)
    r._patience = 0.2
    r.start(tmp_path / "take")
    for i in range(60):
        r.take(full_frame(i))
    assert "nothing could be written" in r.status.trouble and r.status.lost > 30
    hang.set()
    until(r, lambda s: s.frames > 10)
    r.take(full_frame(60))
    r.close()
    index = read_index(tmp_path / "take")
    assert len(index.pts) + index.missing == 61 and not r.status.error


def test_saving_again_and_again_costs_the_recording_nothing(tmp_path):
    r = Recorder(About(source="test", pacing="genlocked"), lossless=False, replay_seconds=30, replay_bytes=1 << 30,
                 reserve=0)
    r.start(tmp_path / "take")
    pace = threading.Event()
    for i in range(80):
        r.take(full_frame(i, 160, 120))
        r.save_replay(tmp_path / "replay", numbered=True)
        pace.wait(1 / 30)
    told = until(r, lambda s: s.frames + s.lost == 80)
    r.close()
    index = read_index(tmp_path / "take")
    assert len(index.pts) + index.missing == 80
    assert told.lost == index.missing == 0
    saved = sorted(tmp_path.glob("replay*"))
    assert 1 <= len(saved) < 80 and not any(path.name.endswith(".part") for path in saved)
    assert all(read_index(path).missing == 0 for path in saved)


def test_a_save_minds_the_disk_too_and_the_recording_beside_it_is_whole(tmp_path):
    r = recorder(seconds=30, reserve=1 << 60)
    for i in range(5):
        r.take(full_frame(i))
    r.save_replay(tmp_path / "replay")
    assert "kept free" in until(r, lambda s: bool(s.error)).error
    r.close()
    assert read_index(tmp_path / "replay").end is not None


def test_stopping_waits_for_the_pictures_still_on_their_way(tmp_path):
    frames = [full_frame(i) for i in range(12)]
    r = Recorder(About(source="test", pacing="genlocked"), lossless=True, replay_seconds=0, replay_bytes=0, reserve=0)
    r.start(tmp_path / "take")
    for i, frame in enumerate(frames):
        r.take(frame)
        if i >= 8:
            r.take_photo(frames[i - 8].t_capture_ns, frame.rgb)
    r.stop()
    r.take(full_frame(12))
    until(r, lambda s: "waiting" in s.saved)
    for frame in frames[4:]:
        assert (tmp_path / "take.part").exists(), "it waits for the rest"
        r.take_photo(frame.t_capture_ns, frame.rgb)
    until(r, lambda s: "12 frames" in s.saved and "12 photoreal" in s.saved)
    assert not r.active
    r.close()
    assert len(read_all(tmp_path / "take")) == 12


def test_stopping_waits_no_longer_than_it_says(tmp_path, monkeypatch):
    monkeypatch.setattr(recorder_module, "FINISH_SECONDS", 0.3)
    r = recorder()
    r.start(tmp_path / "take")
    for i in range(3):
        r.take(full_frame(i))
    r.take_photo(full_frame(0).t_capture_ns, full_frame(0).rgb)
    r.stop()
    until(r, lambda s: "3 frames" in s.saved and "1 photoreal" in s.saved)
    r.close()


def test_two_recordings_that_begin_in_the_same_second_have_names_of_their_own(tmp_path):
    ours = [recorder() for _ in range(3)]
    for r in ours:
        r.start(tmp_path / "take", numbered=True)
        r.take(full_frame(0))
    for r in ours:
        r.close()
        assert not r.status.error
    assert sorted(p.name for p in tmp_path.iterdir()) == ["take", "take-2", "take-3"]


RUNNING = """
import sys
from pathlib import Path
from tests.system.test_recording import full_frame, recorder
r = recorder()
r.start(Path(sys.argv[1]))
for i in range(30):
    r.take(full_frame(i))
print("running", flush=True)
sys.stdin.read()
r.close()
"""


def test_a_running_recording_is_let_alone_by_everybody(tmp_path):
    take, part = tmp_path / "take", tmp_path / "take.part"
    child = subprocess.Popen([sys.executable, "-c", RUNNING, str(take)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None and child.stdout.readline() == b"running\n"
    for path in (take, part):
        with pytest.raises(CaptureError, match="being recorded or mended just now"):
            recover(path)
        with pytest.raises(CaptureError, match="being recorded or mended just now"):
            SessionSource(path)
    second = recorder()
    second.start(take)
    second.take(full_frame(0))
    second.close()
    assert "choose another name" in second.status.error and "recover" not in second.status.error
    for command in ("recover", "render"):
        words = [command, str(take), *(["-o", str(tmp_path / "x.mp4")] if command == "render" else [])]
        done = subprocess.run([sys.executable, "-m", "realmaster", *words], capture_output=True, text=True, check=False)
        assert done.returncode and "just now" in done.stderr and "Traceback" not in done.stderr, done.stderr
    child.communicate()
    assert [f.frame_id for f in read_all(take)] == list(range(30))


def test_only_what_a_recording_made_is_removed(tmp_path):
    r = recorder()
    r.start(tmp_path / "take")
    until(r, lambda s: bool(s.path))
    (tmp_path / "take.part" / "notes.txt").write_text("mine")
    r.close()
    assert "nothing was recorded" in r.status.error
    assert [p.name for p in (tmp_path / "take.part").iterdir()] == ["notes.txt"]


def test_what_was_lost_before_a_recording_began_is_no_loss_of_it(tmp_path):
    r = recorder(lossless=False, seconds=30)
    r.take(replace(full_frame(0), t_game=NAN))
    r.start(tmp_path / "take")
    r.take(replace(full_frame(1), dropped=40))
    r.take(replace(full_frame(2), dropped=2))
    r.close()
    assert read_index(tmp_path / "take").missing == 2


def test_photoreal_pictures_that_no_encoder_takes_cost_no_frame(tmp_path):
    r = recorder()
    r.start(tmp_path / "take")
    for i in range(4):
        r.take(full_frame(i))
        r.take_photo(full_frame(i).t_capture_ns, np.zeros((1, 20_000, 3), np.uint8))
    r.close()
    assert len(read_all(tmp_path / "take")) == 4 and not r.status.error
    assert (r.status.photos_lost == 4) == bool(r.status.trouble)


def test_counts_in_the_index_are_those_of_the_status(tmp_path):
    path = record(tmp_path / "take", [replace(full_frame(i), dropped=i) for i in range(4)])
    lines = [json.loads(line) for line in (path / INDEX).read_text().splitlines()]
    assert sum(line.get("dropped", 0) for line in lines) == read_index(path).missing == 6
    assert Path(path / "color.mkv").stat().st_size
