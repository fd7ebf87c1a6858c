"""The session, the loop for live and offline work: source -> windows -> link -> stitcher -> sinks.

`Pacing` decides what is dropped when the server is slow. Freerun skips frames, so that the server keeps up. Genlocked
takes every frame and drops whole windows. Frame-locked waits and drops nothing; all offline work is frame-locked.
Frames of a live source are shown at an even pace, others as soon as they are finished. Without a server, a live session
shows the game's frames alone. Without a game it waits. When either is back, the stream continues with a new window. An
offline session ends with an error instead.

One thread, no locks. Queues: the display's, and one window to be sent. Unless frame-locked, a newer window replaces it.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from bridge.contract import Chunk, ModelSpec, RenderSettings, Window
from bridge.conversation import Arrived, Event, Lost, Ready, Refused, Waiting
from bridge.protocol import Refuse
from capture.errors import BadFrame, CaptureError, SourceEnded
from capture.frame import Frame
from capture.source import FrameSource, GameSource, Pacing
from realmaster.errors import UserError
from realmaster.guides.probe.watch import GuideWatch
from realmaster.guides.regions import Regions
from realmaster.stream.display import Display
from realmaster.stream.link import Link
from realmaster.stream.pacing import Intake, intake_period, take
from realmaster.stream.sink import Shown, Sink
from realmaster.stream.stats import Stats
from realmaster.stream.stitch import Piece, Stitcher
from realmaster.stream.windows import Cut, Place, Windower, message, window_places
from supervise.worker import troubles

log = logging.getLogger(__name__)
OFF = "rendering is off"
EVERYWHERE = Regions()
LOOK_SECONDS = 0.25
"""How often a session checks its threads for failures and gives its counts to the sinks."""
DRAIN_SECONDS = 15.0
"""How long a session waits at its end for the photoreal pictures of frames that are being recorded."""
HUNG_SECONDS = 5.0
"""A window that takes longer than this is reported in the status."""
IDLE_SECONDS = 0.02
"""The longest time that a live loop waits for one peer. It waits less if a frame is due earlier."""


@dataclass(frozen=True)
class Position:
    """The state of a run between two windows: numbers of the next window, and frames that the stitcher holds back."""

    sequence: int
    segment: int
    start: int
    tail: Piece | None


class Session:
    """Reads frames from a source, has them rendered through a link, and shows them to sinks.

    Args:
        link: renders the windows; None to render nothing.
        max_fps: the most frames per second that are rendered if freerun.
        tap: gets every frame as it is read.
        taps_all: whether `tap` needs every frame of the game. If not, a freerun game may skip some.
        stays: go on after the end of the source, because the user may seek back.
        drains: whether to show, when stopped, the frames read so far, for `DRAIN_SECONDS` at most.
        recorded: gives the photoreal picture that the source itself has of the frame just read, (H, W, 3) u8.
    """

    def __init__(self, source: FrameSource, link: Link | None, sinks: Sequence[Sink],
                 settings: Callable[[], RenderSettings], *, pacing: Pacing, max_fps: float = 30.0,
                 tap: Callable[[Frame], None] = lambda _: None, taps_all: Callable[[], bool] = lambda: False,
                 after_step: Callable[[], None] = lambda: None, stays: bool = False,
                 regions: Regions = EVERYWHERE, drains: Callable[[], bool] = lambda: False,
                 recorded: Callable[[], NDArray[np.uint8] | None] = lambda: None,
                 clock: Callable[[], float] = time.monotonic) -> None:
        self.source, self.link, self.settings = source, link, settings
        self._game = source if isinstance(source, GameSource) else None
        self.live, self.pacing = source.info.live, pacing
        self.lossless = pacing is Pacing.FRAMELOCKED
        self.fastest, self.tap, self.after_step, self.clock = 1.0 / max_fps, tap, after_step, clock
        self.taps_all, self.stays, self.drains, self.recorded = taps_all, stays, drains, recorded
        self.stats = Stats() if link else Stats(server=OFF)
        self._display = Display(sinks, self.stats, regions, live=self.live, lossless=self.lossless,
                                clock=lambda: self.clock())  # noqa: PLW0108  a test sets the clock
        self._spec: ModelSpec | None = None
        self._windower: Windower | None = None
        self._stitcher: Stitcher | None = None
        self._waiting: deque[Cut] = deque()
        self._frames: dict[Place, Frame] = {}  # frames that are in a window and not shown yet
        self._sent: dict[int, Window] = {}  # windows in flight, by sequence
        self._intake = Intake(self.fastest)
        self._sequence = self._newest = 0
        self._watch = GuideWatch(clock)
        self._sent_to: tuple[int, int] | None = None  # the place where a window starts that continues the last one sent
        self._resume: tuple[Position, Sequence[Frame]] | None = None
        self._source_ended, self._greeted = False, link is None
        self._paused = False  # the source has no frame after the last one
        self._proved = False  # at least one frame had all the buffers that the model needs
        self._bad = 0  # frames left out since the last good frame
        self._looked = float("-inf")
        self.settling = False
        """If set, a lossless session stops reading at the end of a window, until `position` gives a state."""

    def position(self) -> Position | None:
        """The state from which a later run can continue; None while a frame or a window is unfinished."""
        windower, stitcher = self._windower, self._stitcher
        if windower is None or stitcher is None or windower.waiting or not windower.places:
            return None
        if self._waiting or self._sent or self._display:
            return None
        return Position(self._sequence, *windower.places[0], stitcher.tail)

    def resume(self, position: Position, frames: Sequence[Frame]) -> None:
        """Continues an earlier run. `frames` are those that its next window shares with the window before it."""
        self._resume = position, frames

    def run(self, stop: Callable[[], bool], finish: Callable[[], None] = lambda: None) -> Stats:
        """Runs until `stop()`, or until the source has ended and its frames are shown. Returns the session's counts.

        It calls `finish` in the second case only, and closes everything in both.
        Raises `UserError` if the first frames lack a buffer or an offline session loses its server, and `CaptureError`
        if the source of an offline session fails.
        """
        try:
            while not stop() and not self._finished():
                self._step()
                self.after_step()
            if self._finished():
                finish()
            self._drain()
            unshown = len(self._frames) + len(self._display) + (self._windower.waiting if self._windower else 0)
            self.stats.drop("unfinished", unshown)
        finally:
            self._close()
        return self.stats

    def _drain(self) -> None:
        """Reads no more frames, and shows those read so far while `drains()`, for `DRAIN_SECONDS` at most."""
        deadline = self.clock() + DRAIN_SECONDS
        if self.drains() and not self._source_ended:
            self._end_of_source()
            self._source_ended = True
        while self.drains() and not self._finished() and self.clock() < deadline:
            self._step()
            self.after_step()

    def _end_of_source(self) -> None:
        """Ends the last window early, so that it is rendered although it is not full."""
        self._paused = True
        if self._windower is not None:
            self._queue(self._windower.flush())

    def _close(self) -> None:
        """Closes the display, the link and the source. If closing one raises, the others are still closed."""
        with contextlib.ExitStack() as stack:
            stack.callback(self.source.close)
            if self.link is not None:
                stack.callback(self.link.close)
            stack.callback(self._display.close)

    def _finished(self) -> bool:
        """Whether the source has ended and no frame is left in a window or in the display."""
        return self._source_ended and not (self._waiting or self._frames or self._display)

    def _step(self) -> None:
        self._look()
        wants_source = not self._source_ended and (not self.lossless or self._can_take())
        if wants_source:
            self._read(self._idle())
        else:
            self.source.keep_alive()
        if self.link is not None:
            self._talk(self.link, 0.0 if wants_source else self._idle())
        over = self._paused or bool(self.stats.source)
        if over and self._stitcher is not None and not (self._waiting or self._sent):
            self._emit(self._stitcher.flush())
        self._display.present(self._spec.length if self._spec else 0)

    def _look(self) -> None:
        """Every `LOOK_SECONDS`: collects the failures of threads and sinks, and gives the counts to the sinks."""
        now = self.clock()
        if abs(now - self._looked) >= LOOK_SECONDS:
            self._looked = now
            self.stats.troubles = (*troubles(), *self._display.troubles())
            self._display.update()

    def _talk(self, link: Link, timeout: float) -> None:
        self._send(link)
        event = link.poll(timeout)
        if event is not None:
            self._handle(event)
        if link.busy_seconds > HUNG_SECONDS:
            self.stats.server = (f"the server has worked on one window for {link.busy_seconds:.0f} s"
                                 + (f", and {link.queued} wait" if link.queued else ""))

    def _idle(self) -> float:
        """How long to wait for the source or the link, in seconds."""
        if not self.live:
            return 0.1
        due = self._display.due
        return IDLE_SECONDS if due is None else min(max(due - self.clock(), 0.0), IDLE_SECONDS)

    def _can_take(self) -> bool:
        """Whether a lossless session may read. It waits for its first server; live, it does not wait for a lost one."""
        between = self._windower is not None and self._windower.waiting == 0
        wanted = not self._waiting and not (self.settling and between and self._sent)
        return wanted and (self._spec is not None or (self.live and self._greeted))

    def _read(self, timeout: float) -> None:
        game = self._game
        if game is not None:
            game.whole = self.live and self._watch.due
            few = self.pacing is Pacing.FREERUN and self._windower is not None and not self.taps_all()
            game.period = self.fastest / 2 if few else 0.0  # twice as many as are taken, to keep them even
        try:
            frame = self.source.read(timeout)
        except SourceEnded as end:
            log.info("%s", end)
            self.stats.drop("source", end.lost)
            self._source_ended = not self.stays
            self._end_of_source()
            return
        except CaptureError as error:
            if not self.live:
                raise
            self._fail(error)
            return
        self._trouble(self.source.trouble, frame is None)
        if frame is not None:
            self._take(frame)

    def _trouble(self, trouble: str, alone: bool) -> None:
        """Reports what is wrong with the source. If `alone` (no frame came with it), ends the last window early."""
        self.stats.source = trouble
        if trouble:
            self._renew()
        if trouble and alone and self._windower is not None and self._windower.places:
            self._queue(self._windower.flush())

    def _fail(self, error: CaptureError) -> None:
        """Leaves a frame out. If not the frame but its source is at fault (such as a failed grab), reports that too."""
        self._bad += 1
        self.stats.read += 1
        self.stats.leave_out(error)
        if not isinstance(error, BadFrame):
            self._trouble(str(error), alone=True)
        if self._bad > 1:
            time.sleep(IDLE_SECONDS)  # a source that fails at once must not keep the processor busy

    def _take(self, frame: Frame) -> None:
        self._newest, self._paused = frame.t_capture_ns, False
        if self.live:
            self.stats.guides = self._watch.look(frame)
        if self._game is not None:
            frame = self._game.plain(frame)
        lost, self._bad, self.stats.left_out = self._bad, 0, ""
        self.tap(replace(frame, dropped=frame.dropped + lost) if lost else frame)
        now = self.clock()
        self.stats.read += 1
        self.stats.rate_in.add(now)
        self.stats.drop("source", frame.dropped)
        if self._windower is None:
            photo = self.recorded()
            if photo is None:
                self.stats.drop("no server" if self.link else OFF, 1)
            self._display.show(Shown(frame, photo))
            return
        if self.pacing is Pacing.FREERUN:
            taken, self._intake = take(self._intake, now)
            if not taken:
                self.stats.drop("paced", 1)
                return
        try:
            cuts = self._windower.push(frame)
        except UserError as error:
            if not self._proved:
                raise  # no frame has had the buffers that the model or the settings need
            self.stats.leave_out(error)
        else:
            self._proved = True
            self._queue(cuts)

    def _queue(self, cuts: list[Cut]) -> None:
        """Queues windows to be sent. Unless lossless, a new window replaces one that still waits."""
        for cut in cuts:
            self._frames.update(zip(cut.places, cut.frames, strict=True))
            replaced = [] if self.lossless else [self._waiting.popleft() for _ in range(len(self._waiting))]
            self._waiting.append(cut)
            for lost in replaced:
                self._give_up(lost.places, "server busy")

    def _give_up(self, places: Iterable[Place], cause: str) -> None:
        """Drops the frames at `places` that neither another window nor the stitcher holds, and counts them."""
        kept = {p for w in self._sent.values() for p in window_places(w)}
        kept.update(p for cut in self._waiting for p in cut.places)
        kept.update(self._stitcher.places if self._stitcher else [])
        kept.update(self._windower.places if self._windower else [])
        lost = [p for p in places if p in self._frames and p not in kept]
        for place in lost:
            del self._frames[place]
        self.stats.drop(cause, len(lost))

    def _send(self, link: Link) -> None:
        if not (self._waiting and self._spec and link.ready):
            return
        cut = self._waiting.popleft()
        continues = self._sent_to == (cut.segment, cut.start) and cut.start > 0
        self._sent_to = cut.segment, cut.start + self._spec.stride
        window = message(cut, self._spec, self._sequence, continues=continues, trusted=not self.stats.guides,
                         settings=self.settings())
        self._sequence += 1
        self._sent[window.sequence] = window
        link.send(window, cut.images)

    def _handle(self, event: Event) -> None:
        match event:
            case Waiting(detail):
                self.stats.server = detail
                if not self.live and detail.startswith("no server"):
                    raise UserError(f"{detail}: start one with `realmaster serve`")
            case Ready(spec, _):
                self._begin(spec)
            case Refused(reason):
                self._refused(reason)
            case Lost(in_flight, detail):
                log.warning("%s; %d windows were in flight", detail, in_flight)
                self._forget_server(detail)
            case Arrived(chunk, frames):
                self._sent.pop(chunk.sequence, None)
                self._arrive(chunk, frames)
            case _:
                assert_never(event)

    def _refused(self, reason: Refuse) -> None:
        if not self.live:
            raise UserError(reason.detail)
        self.stats.server = reason.detail
        if reason.sequence in self._sent:
            self._give_up(window_places(self._sent.pop(reason.sequence)), "refused")

    def _begin(self, spec: ModelSpec) -> None:
        if self.settings().prompt and not spec.prompts:
            raise UserError(f"--prompt: {spec.model} reads no prompt; a large model does (see docs/MODELS.md)")
        self._greeted = True
        self._renew()
        self._spec, self.stats.model, self.stats.server = spec, spec.model, ""
        self.stats.prompts = spec.prompts
        self._windower, self._stitcher = Windower(spec), Stitcher(spec.overlap)
        self._sent_to = None
        if self._resume is not None:
            (position, frames), self._resume = self._resume, None
            self._sequence, self._sent_to = position.sequence, (position.segment, position.start)
            self._windower.resume(position.segment, position.start, frames)
            self._stitcher.resume(position.tail)
            self._frames.update(zip(self._windower.places, frames, strict=True))

    def _forget_server(self, why: str) -> None:
        """Drops the frames that the server had or would have got, and shows those that are finished already."""
        if not self.live:
            raise UserError(f"{why}. Repeat the command when the server is well again")
        self.stats.server = why
        self._renew()
        if self._stitcher is not None:
            self._emit(self._stitcher.flush())
        self.stats.drop("server lost", len(self._frames) + (self._windower.waiting if self._windower else 0))
        self._spec = self._windower = self._stitcher = None
        self._waiting.clear()
        self._sent.clear()
        self._frames.clear()

    def _arrive(self, chunk: Chunk, frames: list[NDArray[np.uint8]]) -> None:
        if self._stitcher is None or self._spec is None:
            return
        self.stats.arrived(chunk)
        if self.pacing is Pacing.FREERUN:
            period = intake_period(self.stats.period_ms / 1e3, self._spec.stride, self.fastest)
            self._intake = Intake(period, self._intake.next_due)
        self.stats.server = ""
        self._emit(self._stitcher.push(chunk.segment, chunk.start, frames))
        self.stats.seam = self._stitcher.seam

    def _renew(self) -> None:
        """Starts the pace of the display anew after a fault, see `Display.renew`."""
        self._display.renew(self._newest)

    def _emit(self, pieces: list[Piece]) -> None:
        """Gives finished frames to the display, each with the game's frame that it was made from."""
        for piece in pieces:
            for i, photo in enumerate(piece.frames):
                self._display.add(self._frames.pop((piece.segment, piece.start + i)), photo)
