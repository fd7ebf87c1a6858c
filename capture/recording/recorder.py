"""Records a running session from a thread of its own, and remembers its last seconds.

Queue: `QUEUE` frames and pictures wait to be encoded. When it is full, a lossless recorder lets its caller wait,
`PUT_SECONDS` at most; after that, and any other at once, it drops the frame, counts it, and writes the count into the
next frame's line. So it does with a frame whose facts cannot be true, or that no encoder takes.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from capture.checks import MAX_DROPPED, check_frame
from capture.errors import BadFrame, CaptureError
from capture.frame import Frame
from capture.recording.disk import RESERVE, DiskWatch
from capture.recording.layout import About, Entry, entry_of
from capture.recording.replay import Replay
from capture.recording.saver import ReplaySaver, from_here
from capture.recording.timeline import Timeline
from capture.recording.tracks import FrameCoder, PhotoCoder
from capture.recording.writer import SessionWriter
from supervise.worker import Worker, said

QUEUE = 16
BUSY = QUEUE // 4
"""With more than this in the queue, what is only convenient stands back."""
PUT_SECONDS = 5.0
"""A disk that takes nothing for this long has failed. Then the game is not made to wait any longer."""
FINISH_SECONDS = 15.0
"""How long a stopped recording waits for the photoreal pictures of its last frames."""
CLOSE_SECONDS = 30.0
"""How long `close` waits until the recording is completed."""
LOOK_SECONDS = 0.2


@dataclass(frozen=True)
class RecorderStatus:
    """What the page and the log tell. `path` is empty unless it records; `saved` describes the last session made.

    `error` says why a recording, or a save, failed; `trouble` what goes wrong while it goes on.
    """

    path: str = ""
    frames: int = 0
    photos: int = 0
    photos_lost: int = 0
    bytes: int = 0
    seconds: float = 0.0
    lost: int = 0
    free_bytes: int = 0
    replay_seconds: float = 0.0
    replay_bytes: int = 0
    saved: str = ""
    error: str = ""
    trouble: str = ""


@dataclass(frozen=True)
class _Photo:
    t_capture_ns: int
    picture: NDArray[np.uint8]


class Recorder:
    """Records frames and photoreal pictures. `start`, `stop` and `save_replay` may be called from any thread."""

    def __init__(self, about: About, *, lossless: bool, replay_seconds: float, replay_bytes: int,
                 reserve: int = RESERVE) -> None:
        self.about, self.lossless, self.reserve = about, lossless, reserve
        self.replay = Replay(replay_seconds, replay_bytes) if replay_seconds > 0 else None
        self.active = False
        """Whether a recording is running: it was begun, and neither stopped nor ended by an error."""
        self._queue: queue.Queue[Frame | _Photo | Callable[[], None]] = queue.Queue(QUEUE)
        # Counts that only the caller's side raises, and how much of them is written down.
        self._lost = self._photos_lost = self._told = self._photos_told = 0
        self._patience = PUT_SECONDS if lossless else 0.0
        self._photo_seen = -FINISH_SECONDS
        self._trouble = ""
        self._writer: SessionWriter | None = None
        self._finish_by: float | None = None  # once it was stopped, and waits for its last pictures
        self._newest = self._tail = 0  # when its last frame was captured; how many were lost after that
        self._disk = DiskWatch(Path(), reserve)
        self._frames, self._photos, self._timeline = FrameCoder(), PhotoCoder(), Timeline(about.clock)
        self._saved = self._error = ""
        self._over = False
        self._saver = ReplaySaver(about, self._busy, self._hear, reserve) if self.replay else None
        self._worker = Worker("recorder", self._work)

    # Called by the session's thread.

    def take(self, frame: Frame) -> None:
        """Records a frame of the game. The frame must not be changed afterwards."""
        if not self.active and self.replay is None:
            return
        try:
            check_frame(frame)
        except BadFrame as error:
            self._leave_out(frame.dropped if 0 <= frame.dropped <= MAX_DROPPED else 0, said(error))
            return
        if not self._put(frame):
            self._leave_out(frame.dropped, "")

    def take_photo(self, t_capture_ns: int, picture: NDArray[np.uint8]) -> None:
        """Records the photoreal picture, (H, W, 3) u8, of the frame that was captured at `t_capture_ns`."""
        self._photo_seen = time.monotonic()
        wanted = self.active or self.replay is not None or self._finish_by is not None
        if wanted and not self._put(_Photo(t_capture_ns, picture)):
            self._photos_lost += 1  # it can be rendered again from the recorded frame

    def _put(self, item: Frame | _Photo) -> bool:
        if not self._worker.put(self._queue, item, self._patience):
            if self.lossless and self._patience:
                self._trouble = f"frames are left out: nothing could be written for {PUT_SECONDS:.0f} s"
            self._patience = 0.0  # the caller does not wait again for each frame
            return False
        self._patience = PUT_SECONDS if self.lossless else 0.0
        return True

    def _leave_out(self, dropped: int, why: str) -> None:
        self._lost += 1 + dropped
        if why:
            self._trouble = f"frames are left out of the recording: {why}"

    def start(self, path: Path, *, numbered: bool = False) -> None:
        """Begins a recording. Ends one that is running. Errors appear in `status`.

        Args:
            path: the folder of the new session.
            numbered: add a number to the path if it is taken.
        """
        self.active, self._trouble = True, ""
        lost, photos_lost = self._lost, self._photos_lost
        self._tell(lambda: self._start(path, numbered, lost, photos_lost))

    def stop(self) -> None:
        """Ends the recording, if there is one, when the photoreal pictures of its last frames have come."""
        self.active, lost = False, self._lost
        self._tell(lambda: self._stop(lost))

    def save_replay(self, path: Path, *, numbered: bool = False) -> None:
        """Saves the last seconds to `path`, while recording goes on. `numbered` is as in `start`."""
        self._tell(lambda: self._save(path, numbered))

    def _tell(self, what: Callable[[], None]) -> None:
        if not self._worker.put(self._queue, what, PUT_SECONDS):
            self._error = f"the recorder has not answered for {PUT_SECONDS:.0f} s: look whether its disk still works"

    def _busy(self) -> bool:
        return self.active and self._queue.qsize() > BUSY

    def _hear(self, saved: str, error: str) -> None:
        """Takes the result of a save."""
        self._saved, self._error = saved or self._saved, error or self._error

    def close(self) -> None:
        """Ends the recording and the threads. Waits for them up to `CLOSE_SECONDS`."""
        if self._over:
            return
        self.active = False
        if not self._worker.put(self._queue, self._end, CLOSE_SECONDS) or not self._worker.join(CLOSE_SECONDS):
            self._over = True
            self._error = self._worker.trouble or ("the recording could not be ended in time: "
                                                   "`realmaster recover` makes it whole")
        if self._saver is not None:
            self._saver.close()

    @property
    def status(self) -> RecorderStatus:
        """The status now."""
        writer, replay, finishing = self._writer, self.replay, self._finish_by is not None
        told = RecorderStatus(
            photos_lost=self._photos_lost - self._photos_told, free_bytes=self._disk.free,
            replay_seconds=replay.seconds if replay else 0.0, replay_bytes=replay.bytes if replay else 0,
            saved=self._saved, error=self._worker.trouble or self._error, trouble=self._trouble)
        if writer is None:
            return told
        return replace(
            told, path="" if finishing else str(writer.path), frames=writer.frames, photos=writer.photos,
            bytes=writer.bytes, seconds=writer.seconds,
            lost=writer.lost + (self._tail if finishing else self._lost - self._told),
            saved=f"{writer.path}: waiting for its last pictures" if finishing else told.saved)

    # The recorder's thread.

    def _work(self) -> None:
        while not self._over:
            try:
                self._step()
            except Exception as error:  # thread boundary: this recording is given up, and the next can be recorded
                self._fail(said(error))

    def _step(self) -> None:
        try:
            item = self._queue.get(timeout=LOOK_SECONDS)
        except queue.Empty:
            item = None
        if item is not None:
            self._do(item)
        if self._finish_by is not None and time.monotonic() > self._finish_by:
            self._finish()

    def _do(self, item: Frame | _Photo | Callable[[], None]) -> None:
        if isinstance(item, Frame):
            self._frame(item)
        elif isinstance(item, _Photo):
            self._photo(item)
        else:
            item()

    def _frame(self, frame: Frame) -> None:
        recording = self._writer is not None and self._finish_by is None
        if not recording and self.replay is None:
            return  # the recording has ended by itself
        lost = self._new_losses()
        entry = entry_of(frame, self._timeline.place(frame), lost)
        if self.replay is not None:
            self._remember(self.replay.add_frame, entry, frame.buffers)
        if self._writer is not None and recording:
            if not self._writer.frames:  # what the source lost before the first frame is no loss of this recording
                entry = msgspec.structs.replace(entry, dropped=lost)
            self._newest = frame.t_capture_ns
            self._record(self._writer, entry, frame)

    def _remember(self, add: Callable[..., None], *what: Any) -> None:
        try:
            add(*what)
        except CaptureError as error:
            self._trouble = f"the last seconds are not all remembered: {said(error)}"

    def _record(self, writer: SessionWriter, entry: Entry, frame: Frame) -> None:
        try:
            coded = self._frames.code(entry, frame.buffers)
        except CaptureError as error:  # of a size that no encoder takes, say: the next may be another
            self._leave_out(entry.dropped, said(error))
            return
        writer.write(coded)
        self._watch_disk()

    def _new_losses(self) -> int:
        lost = self._lost
        new, self._told = lost - self._told, lost
        return new

    def _photo(self, photo: _Photo) -> None:
        place = self._timeline.of(photo.t_capture_ns)
        if place is not None:  # else its frame was not recorded
            if self.replay is not None:
                self._remember(self.replay.add_photo, place, photo.picture)
            if self._writer is not None and (self._finish_by is None or photo.t_capture_ns <= self._newest):
                self._record_photo(self._writer, photo.picture, place)
        if self._finish_by is not None and photo.t_capture_ns >= self._newest:
            self._finish()  # they come in order: no more of this recording will

    def _record_photo(self, writer: SessionWriter, picture: NDArray[np.uint8], place: int) -> None:
        try:
            coded = self._photos.code(picture, place)
        except CaptureError as error:
            self._photos_lost += 1
            self._trouble = f"photoreal pictures are left out of the recording: {said(error)}"
            return
        writer.write(coded)
        self._watch_disk()

    def _watch_disk(self) -> None:
        """Completes the recording if the disk is nearly full."""
        if not self._disk.enough():
            self._finish()
            self._error, self.active = self._disk.trouble, False

    def _start(self, path: Path, numbered: bool, lost: int, photos_lost: int) -> None:
        self._finish()
        self._error = ""
        self._told, self._photos_told = max(self._told, lost), photos_lost
        self._writer = SessionWriter(path, self.about, numbered=numbered)
        self._disk = DiskWatch(self._writer.part, self.reserve)

    def _stop(self, lost: int) -> None:
        if self._writer is None or self._finish_by is not None:
            return
        now = time.monotonic()
        if now - self._photo_seen > FINISH_SECONDS:  # nothing is rendered
            self._finish()
            return
        self._finish_by = now + FINISH_SECONDS
        self._tail, self._told = max(0, lost - self._told), max(lost, self._told)

    def _finish(self) -> None:
        """Completes the recording."""
        if self._writer is None:
            return
        tail = self._new_losses() if self._finish_by is None else self._tail
        writer, self._writer, self._finish_by = self._writer, None, None
        if not writer.frames:
            writer.discard()
            self._error = f"nothing was recorded: {self._trouble or 'no frame came'}"
        else:
            writer.close(tail)
            self._saved = writer.summary

    def _fail(self, message: str) -> None:
        writer, self._writer, self._finish_by = self._writer, None, None
        self._error, self.active = message, False
        if writer is not None:
            writer.abandon()

    def _save(self, path: Path, numbered: bool) -> None:
        items = from_here(list(self.replay.items)) if self.replay else []
        if self._saver is None or not items:
            self._error = "nothing is remembered yet: let it run for a moment, with --replay-seconds above 0"
        else:
            self._saver.save(path, items, numbered=numbered)

    def _end(self) -> None:
        self._over = True
        self._finish()
