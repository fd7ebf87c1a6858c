"""Writes encoded frames into the folder of a session, so that a crash loses no more than a tenth of a second.

Tracks are written out every `CLUSTER_MS` (`capture.video.tracks`); index lines go straight to the file.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from capture.errors import CaptureError
from capture.recording.folder import FolderLock, absolute, create, part_of, remove
from capture.recording.layout import ABOUT, INDEX, PHOTO, About, End, Line, Section, encode_line, track_file
from capture.recording.tracks import CodedFrame, CodedPhoto
from capture.video.files import VideoError
from capture.video.tracks import TrackEncoder, TrackFile


class SessionWriter:
    """Writes a session. It gets the name `path` when `close` has completed it. Its folder is locked until then.

    Args:
        path: the path of the session. Nothing is ever overwritten.
        about: the facts about the session.
        numbered: add a number to `path` if it is taken.

    Raises:
        CaptureError: the path is taken, or the session cannot be written.
    """

    def __init__(self, path: Path, about: About, *, numbered: bool = False) -> None:
        try:
            self.path, self.part = create(absolute(path), numbered=numbered)
        except FileExistsError as error:
            raise CaptureError(_taken(absolute(path))) from error
        except OSError as error:
            raise CaptureError(f"cannot record to {path}: {error.strerror}; choose another folder") from error
        self._lock = FolderLock(self.part)
        try:
            (self.part / ABOUT).write_bytes(msgspec.json.format(msgspec.json.encode(about)))
            self._index = (self.part / INDEX).open("xb", buffering=0)
        except OSError as error:
            remove(self.part)
            self._lock.release()
            raise CaptureError(f"cannot record to {path}: {error.strerror}; choose another folder") from error
        self.frames = self.photos = self.bytes = self.lost = 0
        self._sections = self._photo_sections = 0
        self._section: Section | None = None
        self._tracks: dict[str, TrackFile] = {}
        self._photo: TrackFile | None = None
        self._photo_encoder: TrackEncoder | None = None
        self._base = 0
        self.seconds = 0.0

    def write(self, coded: CodedFrame | CodedPhoto) -> None:
        """Appends a frame or a photoreal picture. Raises `CaptureError` if it cannot be written."""
        try:
            if isinstance(coded, CodedFrame):
                self._write_frame(coded)
            elif self.frames:
                self._write_photo(coded)
        except (OSError, VideoError) as error:
            raise CaptureError(f"recording to {self.path} stopped after {self.frames} frames: {error}; free some "
                               f"space, then `realmaster recover {self.part}`") from error
        self.bytes += coded.size

    def _write_frame(self, coded: CodedFrame) -> None:
        if coded.section is not self._section:
            self._begin_section(coded)
        pts = coded.entry.pts - self._base
        for name, packet in coded.packets.items():
            self._tracks[name].write(packet, pts)
        self._line(msgspec.structs.replace(coded.entry, pts=pts, section=self._sections - 1))
        self.frames += 1
        self.lost += coded.entry.dropped
        self.seconds = pts / 1000

    def _begin_section(self, coded: CodedFrame) -> None:
        if not self.frames:
            self._base = coded.entry.pts
        for track in self._tracks.values():
            track.close()
        self._tracks = {name: TrackFile(self.part / track_file(name, self._sections), encoder.stream)
                        for name, encoder in coded.encoders.items()}
        self._section = coded.section
        self._line(msgspec.structs.replace(coded.section, number=self._sections))
        self._sections += 1

    def _write_photo(self, coded: CodedPhoto) -> None:
        pts = coded.pts - self._base
        if pts < 0:
            return  # it belongs to a frame from before the recording
        if self._photo is None or coded.encoder is not self._photo_encoder:
            if self._photo is not None:
                self._photo.close()
            self._photo = TrackFile(self.part / track_file(PHOTO, self._photo_sections), coded.encoder.stream)
            self._photo_encoder = coded.encoder
            self._photo_sections += 1
        self._photo.write(coded.packet, pts)
        self.photos += 1

    def _line(self, line: Line) -> None:
        left = memoryview(encode_line(line) + b"\n")
        while left:  # the system may write only a part
            left = left[self._index.write(left):]

    def close(self, dropped: int = 0) -> None:
        """Completes the session and gives it its name. `dropped` frames were lost after the last one.

        Raises `CaptureError` if that fails. The files that exist stay.
        """
        try:
            self._close_files()
            self.lost += dropped
            self._line(End(frames=self.frames, dropped=dropped))
            os.fsync(self._index.fileno())
            self._index.close()
            self.part.rename(self.path)
            self._lock.release()
        except (OSError, VideoError) as error:
            self.abandon()
            raise CaptureError(f"{self.path} could not be completed: {error}; free some space, then "
                               f"`realmaster recover {self.part}`") from error

    def _close_files(self) -> None:
        for track in (*self._tracks.values(), *([self._photo] if self._photo else [])):
            track.close()

    @property
    def summary(self) -> str:
        """One sentence on what the session holds."""
        minute = self.bytes / 1e6 * 60 / max(self.seconds, 0.001)
        return (f"{self.path}: {self.frames} frames in {self.seconds:.1f} s, {self.lost} lost; "
                f"{self.photos} photoreal; {self.bytes / 1e6:.0f} MB, {minute:.0f} MB a minute")

    def discard(self) -> None:
        """Closes and removes the session, because no frame came."""
        self.abandon()
        with contextlib.suppress(OSError):
            remove(self.part)

    def abandon(self) -> None:
        """Closes the files after an error. The part that is on disk can be recovered."""
        closers: list[Callable[[], None]] = [t.close for t in self._tracks.values()]
        closers += [self._photo.close] if self._photo else []
        for close in (*closers, self._index.close, self._lock.release):
            try:
                close()
            except (OSError, VideoError):
                continue  # the disk is what failed: nothing more can be written, and nothing is lost by that


def _taken(path: Path) -> str:
    """Why nothing can be recorded to `path`."""
    part = part_of(path)
    if os.path.lexists(path):
        return f"{path} exists already: choose another name"
    try:
        FolderLock(part).release()
    except CaptureError as error:
        return f"{error}; or choose another name"
    return f"{part} is left of a recording that was cut short: mend it with `realmaster recover {part}`"
