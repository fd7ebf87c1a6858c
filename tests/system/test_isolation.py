"""Sinks that raise or hang, frames that are bad, threads that die: told within a second, and the rest goes on."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.contract import RenderSettings
from capture.errors import BadFrame, CaptureError, SourceEnded
from capture.frame import Frame
from capture.source import Pacing, SourceInfo
from realmaster.errors import UserError
from realmaster.outputs.status import JsonLog
from realmaster.stream.link import LocalLink
from realmaster.stream.session import Session
from realmaster.stream.sink import Shown
from realmaster.stream.stats import Stats
from supervise.worker import Worker
from tests.conftest import moving_frames
from tests.fakes import Keep, TintBackend
from tests.system.test_session import Replay, accounted

PATIENCE = 30.0


class Live:
    """A live source that gives frames until it is told to end; those in `bad` raise instead."""

    trouble = ""

    def __init__(self, bad: Callable[[int], Exception | None] = lambda _: None, fps: float = 100) -> None:
        self.info = SourceInfo("live", 64, 48, None, live=True)
        self.frames, self.bad, self.pause = moving_frames(60), bad, 1 / fps
        self.read_so_far, self.over, self.closed = 0, threading.Event(), False

    def read(self, timeout: float) -> Frame | None:
        if self.over.wait(min(self.pause, timeout)):
            raise SourceEnded("over")
        n, self.read_so_far = self.read_so_far, self.read_so_far + 1
        if (error := self.bad(n)) is not None:
            raise error
        return Frame(n, time.monotonic_ns(), self.frames[n % 60].buffers)

    def keep_alive(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True


class Raising(Keep):
    """A sink that raises at its third frame, and again when it is closed."""

    def show(self, shown: Shown, stats: Stats) -> None:
        super().show(shown, stats)
        if len(self.shown) == 3:
            raise OSError(28, "No space left on device")

    def close(self) -> None:
        raise RuntimeError("closing failed as well")


class Hanging(Keep):
    """A sink that never comes back from its second frame."""

    def __init__(self) -> None:
        super().__init__()
        self.release = threading.Event()

    def show(self, shown: Shown, stats: Stats) -> None:
        super().show(shown, stats)
        if len(self.shown) == 2:
            self.release.wait(PATIENCE)


class Closing(Keep):
    """A sink that says that it was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


class Running:
    """A session in a thread of its own."""

    def __init__(self, source: Live, sinks: list, pacing: Pacing = Pacing.GENLOCKED,
                 tap: Callable[[Frame], None] = lambda _: None) -> None:
        self.source = source
        self.session = Session(source, LocalLink(TintBackend()), sinks, RenderSettings, pacing=pacing, max_fps=1000,
                               tap=tap)
        self.failure: BaseException | None = None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.session.run(lambda: False)
        except BaseException as error:
            self.failure = error

    def until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert self.failure is None and time.monotonic() < deadline, (self.failure, self.session.stats)
            threading.Event().wait(0.01)

    def end(self) -> Stats:
        self.source.over.set()
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive() and self.failure is None, self.failure
        assert self.source.closed and accounted(self.session.stats) == 0
        return self.session.stats


def told(one: Running, words: str) -> bool:
    return any(words in trouble for trouble in one.session.stats.troubles)


@pytest.mark.parametrize("pacing", list(Pacing))
def test_a_sink_that_raises_is_taken_out_with_a_sentence_and_the_others_go_on(pacing, caplog):
    raising, good, last = Raising(), Keep(), Closing()
    one = Running(Live(), [raising, good, last], pacing)
    one.until(lambda: told(one, "the Raising has failed"))
    before = len(good.photos)
    one.until(lambda: len(good.photos) > before + 20)
    one.end()
    assert len(raising.shown) == 3 and last.closed == 1
    assert "No space left on device" in caplog.text
    ids = [shown.frame.frame_id for shown in good.shown]
    assert ids == sorted(set(ids))


@pytest.mark.parametrize("pacing", list(Pacing))
def test_a_sink_that_hangs_is_told_and_nobody_waits_for_it(pacing, monkeypatch):
    monkeypatch.setattr("realmaster.stream.outlet.HUNG_SECONDS", 0.3)
    hanging, good = Hanging(), Closing()
    one = Running(Live(), [hanging, good], pacing)
    one.until(lambda: told(one, "the Hanging has been busy with one frame"))
    before = len(good.photos)
    one.until(lambda: len(good.photos) > before + 20)
    if pacing is Pacing.GENLOCKED:
        hanging.release.set()
        one.until(lambda: not told(one, "the Hanging"))
        one.until(lambda: len(hanging.shown) > 20)
    one.end()
    hanging.release.set()
    assert good.closed == 1


def test_a_log_on_a_full_disk_is_a_sentence_and_not_the_end():
    """/dev/full: every write fails as on a full disk."""
    good = Keep()
    one = Running(Live(), [JsonLog(Path("/dev/full")), good])
    one.until(lambda: told(one, "the log /dev/full ends here (No space left on device)"))
    before = len(good.photos)
    one.until(lambda: len(good.photos) > before + 20)
    one.end()


def test_a_log_that_nobody_can_take_is_refused_at_once(tmp_path):
    import os

    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, tmp_path / "none" / "log"):
        with pytest.raises(UserError, match="--log-json"):
            JsonLog(path)


def test_closing_closes_everything_whatever_one_of_them_raises():
    first, last = Closing(), Closing()
    source = Replay(moving_frames(5))
    closed = []
    source.close = lambda: closed.append(True)
    session = Session(source, LocalLink(TintBackend()), [first, Raising(), last], RenderSettings,
                      pacing=Pacing.FRAMELOCKED)
    with pytest.raises((OSError, RuntimeError)):
        session.run(lambda: False)
    assert first.closed == last.closed == 1 and closed


@pytest.mark.parametrize("error", [BadFrame("t_game is nan"), CaptureError("the region cannot be grabbed")])
@pytest.mark.parametrize("pacing", list(Pacing))
def test_a_bad_frame_is_a_counted_drop(error, pacing):
    good, recorded = Keep(), []
    one = Running(Live(lambda n: error if n % 10 == 3 else None), [good], pacing, recorded.append)
    one.until(lambda: one.session.stats.dropped["bad frame"] >= 5 and len(good.photos) > 20)
    stats = one.end()
    assert sum(frame.dropped for frame in recorded) == sum(n % 10 == 3 for n in range(recorded[-1].frame_id))
    assert stats.dropped["source"] == 0, "each is counted once"


def test_a_source_that_fails_every_time_is_told_and_keeps_no_processor_busy():
    broken = threading.Event()
    broken.set()
    source = Live(lambda _: CaptureError("the window is gone") if broken.is_set() else None, fps=1e6)
    good = Keep()
    one = Running(source, [good])
    one.until(lambda: "the window is gone" in one.session.stats.source)
    began, before = time.monotonic(), source.read_so_far
    one.until(lambda: source.read_so_far > before + 10)
    assert (source.read_so_far - before) / (time.monotonic() - began) < 200, "reads a second"
    source.pause = 0.01
    broken.clear()
    one.until(lambda: len(good.photos) > 20 and not one.session.stats.source)
    one.end()


def test_offline_a_broken_source_ends_the_run():
    source = Replay(moving_frames(5))

    def broken(timeout: float) -> Frame:
        raise CaptureError("damaged")

    source.read = broken
    with pytest.raises(CaptureError, match="damaged"):
        Session(source, LocalLink(TintBackend()), [], RenderSettings, pacing=Pacing.FRAMELOCKED).run(lambda: False)


def test_a_thread_that_dies_is_in_status_log_and_page_while_no_frame_comes(tmp_path):
    """The log is told by the clock, not by frames."""
    source = Live(fps=0.01)
    one = Running(source, [JsonLog(tmp_path / "log")])

    def work() -> None:
        raise ValueError("cannot convert float NaN to integer")

    worker = Worker("recorder", work)
    sentence = "the recorder has failed and works no more: ValueError: cannot convert float NaN to integer"
    one.until(lambda: told(one, sentence))
    assert sentence in one.session.stats.line(time.monotonic())
    one.until(lambda: sentence in (tmp_path / "log").read_text())
    one.end()
    events = [json.loads(line)["event"] for line in (tmp_path / "log").read_text().splitlines()]
    assert events[-1] == "end" and worker.trouble
