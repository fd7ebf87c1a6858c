"""Frames of a recorded session, in order, from anywhere in it. Its format: `capture/recording/layout.py`."""

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
    """Plays the frames of `path` between `start` and `stop` seconds (0 for the end), with buffers of `kinds`.

    `t_capture_ns` of a frame is its place in the session, and `dropped` counts what is missing before it: lost in
    recording, or left out because its line cannot be used. Raises `CaptureError` if the session is unfinished or
    damaged.
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
        """Length of the whole session."""
        return self.index.pts[-1] / 1000

    @property
    def frames_hint(self) -> int:
        """How many frames there are from here on."""
        return self.end - self.next

    def _rate(self) -> Fraction:
        span = self.index.pts[-1] - self.index.pts[0]
        return Fraction(max(1, round((len(self.index.pts) - 1) * 1_000_000 / span)), 1000) if span else Fraction(24)

    def seek(self, seconds: float) -> None:
        """The next frame is the first one at or after `seconds`; it says that the picture has jumped."""
        self.seek_frame(min(max(self.index.at(seconds), self.first), self.end - 1))
        self._cut = True

    def seek_frame(self, number: int) -> None:
        """The next frame is the session's frame `number`, as if those before it had just been read."""
        self.next, self._cut = number, number == self.first
        self._close_tracks()

    def skip(self, count: int) -> None:
        """Leaves out the next `count` frames."""
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
        """See `FrameSource.keep_alive`: nothing waits for this source's reader."""

    def close(self) -> None:
        """See `FrameSource.close`."""
        self._close_tracks()
