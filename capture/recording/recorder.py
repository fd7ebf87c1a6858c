"""Records a running session from a thread of its own, and remembers its last seconds.

Queue: `QUEUE` frames and pictures wait to be encoded. When it is full, a lossless recorder lets its
caller wait; any other drops the frame, counts it, and writes the count into the next frame's line.
"""

from __future__ import annotations

import queue
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from capture.errors import CaptureError
from capture.frame import Frame
from capture.recording.layout import MS, About, entry_of
from capture.recording.replay import KeptFrame, KeptPhoto, Replay, recoded
from capture.recording.tracks import CodedFrame, CodedPhoto, FrameCoder, PhotoCoder
from capture.recording.writer import SessionWriter

QUEUE = 16
DISK_RESERVE = 256 << 20
"""Bytes that a recording leaves free: it ends, whole, before the disk is full."""
DISK_CHECK_SECONDS = 1.0


@dataclass(frozen=True)
class RecorderStatus:
    """What the page and the log tell. `path` is empty unless it records; `saved` describes the last session made."""

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


@dataclass(frozen=True)
class _Photo:
    t_capture_ns: int
    picture: NDArray[np.uint8]


class Recorder:
    """Takes frames and photoreal pictures; `start`, `stop` and `save_replay` may be called from any thread."""

    def __init__(self, about: About, *, lossless: bool, replay_seconds: float, replay_bytes: int,
                 reserve: int = DISK_RESERVE) -> None:
        self.about, self.lossless, self.reserve = about, lossless, reserve
        self.replay = Replay(replay_seconds, replay_bytes) if replay_seconds > 0 else None
        self.status = RecorderStatus()
        self._queue: queue.Queue[Frame | _Photo | Callable[[], None]] = queue.Queue(QUEUE)
        self._writer: SessionWriter | None = None
        self._wanted = self.replay is not None
        # Counts that only the caller's side raises, and how much of them is written down.
        self._lost = self._photos_lost = self._told = 0
        self._frames, self._photos = FrameCoder(), PhotoCoder()
        self._origin: int | None = None
        self._last_pts, self._last_clock, self._disk_checked = -1, 0, 0.0
        self._pts_of: dict[int, int] = {}
        self._saved, self._error, self._free = "", "", 0
        self._saver: threading.Thread | None = None
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._work, name="recorder", daemon=True)
        self._thread.start()

    # Called by the session's thread.

    def take(self, frame: Frame) -> None:
        """Records a frame of the game; it must not change any more."""
        if not self._wanted:
            return
        if self.lossless:
            self._queue.put(frame)
            return
        try:
            self._queue.put_nowait(frame)
        except queue.Full:
            self._lost += 1 + frame.dropped

    def take_photo(self, t_capture_ns: int, picture: NDArray[np.uint8]) -> None:
        """Records the photoreal version (H, W, 3) u8 of the frame that was captured at `t_capture_ns`."""
        if not self._wanted:
            return
        try:
            self._queue.put(_Photo(t_capture_ns, picture), block=self.lossless)
        except queue.Full:
            self._photos_lost += 1  # a copy: the frame itself is recorded, and can be rendered again

    def start(self, path: Path) -> None:
        """Begins to record to `path`; an error shows up in `status`."""
        self._wanted = True  # only the caller's side sets it, so what it takes from now on is recorded
        self._queue.put(lambda: self._start(path))

    def stop(self) -> None:
        """Ends the recording, if there is one."""
        self._wanted = self.replay is not None
        self._queue.put(self._stop)

    def save_replay(self, path: Path) -> None:
        """Writes what is remembered to `path`, beside all else."""
        self._queue.put(lambda: self._save(path))

    def close(self) -> None:
        """Ends the recording and the thread; waits for both."""
        if self._thread.is_alive():
            self._queue.put(self._stop)
            self._queue.put(self._closed.set)
            self._thread.join()
            if self._saver is not None:
                self._saver.join()
            self._tell()

    # The recorder's thread.

    def _work(self) -> None:
        while not self._closed.is_set():
            item = self._queue.get()
            try:
                if isinstance(item, Frame):
                    self._frame(item)
                elif isinstance(item, _Photo):
                    self._photo(item)
                else:
                    item()
            except (CaptureError, OSError) as error:
                self._fail(str(error))
            self._tell()

    def _frame(self, frame: Frame) -> None:
        if self._writer is None and self.replay is None:
            return  # the recording has ended by itself
        clock = frame.t_capture_ns if self.about.clock == "capture" else round(frame.t_game * 1e9)
        if self._origin is None or clock < self._last_clock:  # the first frame, or a game that begins anew
            self._origin = clock - (self._last_pts + 1) * MS
        pts = max((clock - self._origin) // MS, self._last_pts + 1)
        self._last_pts, self._last_clock = pts, clock
        self._pts_of[frame.t_capture_ns] = pts
        if len(self._pts_of) > 1024:  # far more than a session holds back
            del self._pts_of[next(iter(self._pts_of))]
        entry = entry_of(frame, pts, self._new_losses())
        if self.replay is not None:
            self.replay.add_frame(entry, frame.buffers)
        if self._writer is not None:
            self._write(self._writer, self._frames.code(entry, frame.buffers))

    def _new_losses(self) -> int:
        lost = self._lost
        new, self._told = lost - self._told, lost
        return new

    def _photo(self, photo: _Photo) -> None:
        pts = self._pts_of.get(photo.t_capture_ns)
        if pts is not None:  # else its frame was not recorded
            if self.replay is not None:
                self.replay.add_photo(pts, photo.picture)
            if self._writer is not None:
                self._write(self._writer, self._photos.code(photo.picture, pts))

    def _write(self, writer: SessionWriter, coded: CodedFrame | CodedPhoto) -> None:
        writer.write(coded)
        self._watch_disk(writer)

    def _watch_disk(self, writer: SessionWriter) -> None:
        now = time.monotonic()
        if now - self._disk_checked > DISK_CHECK_SECONDS:
            self._disk_checked = now
            self._free = shutil.disk_usage(writer.part).free
            if self._free < self.reserve:
                self._stop()
                self._error = (f"recording stopped: {self._free >> 20} MiB are left on the disk of {writer.path}, and "
                               f"{self.reserve >> 20} are kept free. What was recorded is whole")

    def _start(self, path: Path) -> None:
        self._stop()
        self._error = ""
        self._writer = SessionWriter(path, self.about)

    def _stop(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None and not writer.frames:
            writer.abandon()
            shutil.rmtree(writer.part)
            raise CaptureError("nothing was recorded: no frame came")
        if writer is not None:
            writer.close(self._new_losses())
            self._saved = writer.summary

    def _fail(self, message: str) -> None:
        writer, self._writer = self._writer, None
        self._error = message
        if writer is not None:
            writer.abandon()

    def _save(self, path: Path) -> None:
        if self.replay is None or not self.replay.items:
            self._error = "nothing is remembered yet: let it run for a moment, with --replay-seconds above 0"
            return
        items = list(self.replay.items)
        if self._saver is not None:
            self._saver.join()
        self._saver = threading.Thread(target=self._write_out, args=(path, items), name="save replay")
        self._saver.start()

    def _write_out(self, path: Path, items: list[KeptFrame | KeptPhoto]) -> None:
        try:
            writer = SessionWriter(path, self.about)
            for coded in recoded(items):
                writer.write(coded)
            writer.close()
        except (CaptureError, OSError) as error:
            self._error = str(error)
            return
        self._saved = writer.summary

    def _tell(self) -> None:
        writer, replay = self._writer, self.replay
        self.status = RecorderStatus(
            path=str(writer.path) if writer else "", frames=writer.frames if writer else 0,
            photos=writer.photos if writer else 0, photos_lost=self._photos_lost, bytes=writer.bytes if writer else 0,
            seconds=writer.seconds if writer else 0.0, lost=writer.lost if writer else 0, free_bytes=self._free,
            replay_seconds=replay.seconds if replay else 0.0, replay_bytes=replay.bytes if replay else 0,
            saved=self._saved, error=self._error)
