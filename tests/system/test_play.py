"""`play`, as somebody sees it who looks at the page."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import aiohttp
import numpy as np
import pytest

from bridge.contract import RenderSettings
from capture.errors import SourceEnded
from capture.frame import Frame
from capture.played import PlayedSession
from capture.recording.layout import About
from capture.recording.recorder import Recorder
from capture.session import SessionSource
from capture.source import Pacing
from realmaster.stream.link import LocalLink
from realmaster.stream.session import Session
from tests.conftest import moving_frames
from tests.fakes import TintBackend
from tests.system.test_preview import next_of, split


def take_of(path: Path, photos: range, count: int = 24) -> Path:
    """A session whose photoreal pictures, of the frames `photos`, are plain green."""
    r = Recorder(About(source="test", pacing="framelocked"), lossless=True, replay_seconds=0, replay_bytes=0, reserve=0)
    r.start(path)
    for i, frame in enumerate(moving_frames(count)):
        r.take(frame)
        if i in photos:
            r.take_photo(frame.t_capture_ns, np.full((48, 64, 3), (20, 200, 20), np.uint8))
    r.close()
    assert not r.status.error
    return path


def read_to_the_end(source: PlayedSession) -> list[tuple[Frame, np.ndarray | None]]:
    got = []
    while True:
        try:
            frame = source.read(0.5)
        except SourceEnded:
            return got
        if frame is not None:
            got.append((frame, source.photo))


def test_what_was_recorded_is_shown_frame_by_frame_and_again_after_the_end(tmp_path):
    source = PlayedSession(SessionSource(take_of(tmp_path / "take", range(2, 24))), recorded=True)
    got = read_to_the_end(source)
    assert [frame.frame_id for frame, _ in got] == list(range(24))
    assert [photo is not None for _, photo in got] == [False, False] + [True] * 22
    assert all(np.abs(photo.astype(int) - (20, 200, 20)).max() < 16 for _, photo in got if photo is not None)
    assert source.read(0.01) is None, "it stays at the end"
    source.seek(0.8)
    again = read_to_the_end(source)
    assert [frame.frame_id for frame, _ in again] == [20, 21, 22, 23] and again[0][1] is not None
    source.close()


def test_a_picture_is_held_until_the_next_but_not_for_ever(tmp_path):
    source = PlayedSession(SessionSource(take_of(tmp_path / "take", range(0, 8, 4), count=40)), recorded=True)
    shown = [photo is not None for _, photo in read_to_the_end(source)]
    assert shown == [True] * 30 + [False] * 10, "a second after the last one there is none"
    source.close()


def test_nothing_begins_before_somebody_looks(tmp_path):
    source = PlayedSession(SessionSource(take_of(tmp_path / "take", range(0))), recorded=False)
    looks = threading.Event()
    source.ready = looks.is_set
    assert source.read(0.01) is None and source.read(0.01) is None
    looks.set()
    frame = source.read(0.5)
    assert frame is not None and frame.frame_id == 0
    source.close()


async def _first_pair(address: str) -> tuple[dict, np.ndarray, np.ndarray]:
    base, token = address.split("/?")
    async with (aiohttp.ClientSession() as session,
                session.ws_connect(f"{base}/ws?{token}", headers={"Origin": base}) as socket):
        await socket.send_json({"next": True})
        return split(await next_of(socket, aiohttp.WSMsgType.BINARY))


def test_the_page_shows_the_recorded_picture_from_the_first_frame_and_stays_until_ctrl_c(tmp_path):
    take = take_of(tmp_path / "take", range(24))
    process = subprocess.Popen([sys.executable, "-m", "realmaster", "play", str(take), "--port", "0"], text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        assert process.stdout is not None
        found = None
        while found is None and (line := process.stdout.readline()):
            found = re.search(r"http://\S+", line)
        assert found is not None
        header, game, photo = asyncio.run(asyncio.wait_for(_first_pair(found[0]), 60))
        assert header["id"] == 1, "nothing was shown before somebody looked"
        assert np.abs(game.astype(int) - moving_frames(1)[0].rgb).mean() < 8
        assert np.abs(photo.astype(int) - (20, 200, 20)).mean() < 16
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(3)  # it lasts a second
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0 and "read 24 frames, showed 24; dropped: none" in output, output
    finally:
        process.kill()


@pytest.mark.parametrize("drains", [True, False])
def test_at_the_stop_what_is_being_recorded_becomes_photoreal(tmp_path, drains):
    source = PlayedSession(SessionSource(take_of(tmp_path / "take", range(0))), recorded=False)
    session = Session(source, LocalLink(TintBackend()), [], RenderSettings, pacing=Pacing.GENLOCKED, max_fps=1000,
                      drains=lambda: drains)
    stats = session.run(lambda: session.stats.read >= 18)
    assert (stats.dropped["unfinished"] == 0) is drains
    assert stats.read - stats.shown == sum(stats.dropped.values())
