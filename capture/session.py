"""Reads the frames of a recorded session, with seeking. Its format is in `capture/recording/layout.py`."""

from __future__ import annotations

from collections.abc import Collection
from fractions import Fraction
from pathlib import Path

from capture.errors import CaptureError, SourceEnded
from capture.frame import Buffer, Encoding, Flags, Frame, Kind
from capture.recording.folder import absolute, check_finished, own_file
from capture.recording.layout import Section, buffer_of, facts_of, track_file
from capture.recording.reader import read_about, read_index
from capture.source import SourceInfo
from capture.video.tracks import TrackReader


class SessionSource:
    """Reads the frames of a recorded session.

    `t_capture_ns` of a frame is its time in the session. `dropped` counts the frames that are missing before it: those
    that were lost during recording, and those whose line in the index cannot be used.

    Args:
        path: the folder of the session.
        start: the time of the first frame, in seconds.
        stop: the time at which to end, in seconds; 0 for the end of the session.
        kinds: the buffers to read.

    Raises:
        CaptureError: the session is unfinished or damaged, or no frame lies between `start` and `stop`.
    """

    trouble = ""

    def __init__(self, path: Path, start: float = 0.0, stop: float = 0.0,
                 kinds: Collection[Kind] = tuple(Kind)) -> None:
        path = absolute(path)
        self.path, self.kinds = path, kinds
        check_finished(path)
        self.about = read_about(path)
        self.index = read_index(path)
        if not self.index.pts:
            raise CaptureError(f"{path} has no frames: `realmaster recover {path}` tells what is left")
        self.first, self.end = self.index.at(start), self.index.at(stop) if stop else len(self.index.pts)
        if self.first >= self.end:
            raise CaptureError(f"no frames from {start} to {stop} s: {path.name} is {self.seconds:.1f} s long")
        section = self.index.sections[self.index.section_of[self.first]]
        self.info = SourceInfo(f"session:{path.name}", section.width, section.height, self._rate(), live=False)
        self.next, self._section, self._cut = self.first, -1, True
        self._tracks: dict[Kind, TrackReader] = {}

    @property
    def seconds(self) -> float:
        """The length of the whole session, in seconds."""
        return self.index.pts[-1] / 1000

    @property
    def frames_hint(self) -> int:
        """The number of frames from the next one to the end."""
        return self.end - self.next

    def _rate(self) -> Fraction:
        span = self.index.pts[-1] - self.index.pts[0]
        return Fraction(max(1, round((len(self.index.pts) - 1) * 1_000_000 / span)), 1000) if span else Fraction(24)

    def seek(self, seconds: float) -> None:
        """Makes the first frame at or after `seconds` the next one. It gets the flag RESET."""
        self.seek_frame(min(max(self.index.at(seconds), self.first), self.end - 1))
        self._cut = True

    def seek_frame(self, number: int) -> None:
        """Makes frame `number` of the session the next one, as if the frames before it had been read."""
        self.next, self._cut = number, number == self.first
        self._close_tracks()

    def skip(self, count: int) -> None:
        """See `FileSource.skip`."""
        self.seek_frame(self.next + count)

    def read(self, timeout: float) -> Frame | None:
        """See `FrameSource.read`."""
        if self.next >= self.end:
            missing = self.index.missing_after if self.end == len(self.index.pts) else 0
            raise SourceEnded(f"{self.info.name} is over", lost=missing)
        number, self.next = self.next, self.next + 1  # a frame that is damaged is not tried again
        entry = self.index.entry(number)
        section = self.index.sections[entry.section]
        if entry.section != self._section:
            self._open_tracks(section, entry.pts, number)
        buffers = {kind: self._buffer(kind, Encoding[section.buffers[kind.name.lower()]], track, entry.pts)
                   for kind, track in self._tracks.items()}
        facts = facts_of(entry)
        if self._cut:
            facts["flags"] |= Flags.RESET
        self._cut = False
        return Frame(buffers=buffers, **facts)

    def _open_tracks(self, section: Section, pts: int, number: int) -> None:
        self._close_tracks()
        for name in section.buffers:
            if (kind := Kind[name.upper()]) in self.kinds:
                self._tracks[kind] = TrackReader(own_file(self.path, track_file(name, section.number)))
                if number and self.index.section_of[number - 1] == section.number:
                    self._tracks[kind].seek(pts)
        self._section = section.number

    def _buffer(self, kind: Kind, encoding: Encoding, track: TrackReader, pts: int) -> Buffer:
        return buffer_of(kind, encoding, track.picture(pts))

    def _close_tracks(self) -> None:
        for track in self._tracks.values():
            track.close()
        self._tracks, self._section = {}, -1

    def keep_alive(self) -> None:
        """See `FrameSource.keep_alive`. Does nothing, because no game waits."""

    def close(self) -> None:
        """See `FrameSource.close`."""
        self._close_tracks()
