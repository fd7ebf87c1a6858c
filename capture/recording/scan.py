"""Reads the folder of a session in any state, and finds its good frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from capture.checks import MAX_DROPPED
from capture.errors import CaptureError
from capture.frame import FORMATS, MAX_SIDE, Flags
from capture.recording.folder import own_file, tracks
from capture.recording.layout import COLOURS, INDEX, MAX_PTS, MS, PHOTO, About, Entry, Section, track_file
from capture.recording.reader import Index, OtherVersionError, read_about, read_index
from capture.video.tracks import decodable, track_size

COLOR = "color"


@dataclass(frozen=True)
class Good:
    """The good frames of the session `path`, in order. `dropped` of each counts those missing before it."""

    path: Path
    about: About
    sections: dict[int, Section]
    entries: list[Entry]
    missing_after: int
    photos: dict[int, set[int]]
    """The times of the good photoreal pictures, in milliseconds, by the number of their file."""

    @property
    def missing(self) -> int:
        """The number of all missing frames."""
        return sum(entry.dropped for entry in self.entries) + self.missing_after


class Scan:
    """Of the session `path`. Raises `CaptureError` if it is none, or one of another version."""

    def __init__(self, path: Path, progress: Callable[[str], None]) -> None:
        self.path, self.progress = path, progress
        self.names = tracks(path)
        self.about, self.index = self._about(), self._index()
        self.sections = dict(sorted((self._guessed() | self.index.sections).items()))
        self.times = {number: self._times(section) for number, section in self.sections.items()}
        self.photos = {number: self._decodable(track_file(PHOTO, number)) for number in self.names.get(PHOTO, [])}
        self.rebuilt = 0
        """The number of good frames whose facts were rebuilt."""
        self._bad, self._bad_at_the_end = 0, 0

    def good(self) -> Good:
        """Finds the good frames. A picture without a line counts as a frame, in place of an unreadable line."""
        kept: list[Entry] = []
        missing, last = 0, (0, -1)
        for entry, unread in self._all():
            missing += unread
            if entry is None:
                break
            if entry.section >= last[0] and entry.pts > last[1] and entry.pts in self.times[entry.section]:
                kept.append(msgspec.structs.replace(entry, dropped=min(missing + entry.dropped, MAX_DROPPED)))
                missing, last, self._bad_at_the_end = 0, (entry.section, entry.pts), 0
            else:
                missing += 1 + entry.dropped
                self._bad, self._bad_at_the_end = self._bad + 1, self._bad_at_the_end + 1
        known = set(self.index.pts)
        self.rebuilt = sum(entry.pts not in known for entry in kept)
        return Good(self.path, self.about, self.sections, kept, missing + self.index.told_after, self.photos)

    @property
    def whole(self) -> bool:
        """Whether nothing needs repair. Call `good` first."""
        index = self.index
        return index.end is not None and not (self._bad or self.rebuilt or index.damaged or index.repeated)

    @property
    def more_is_lost(self) -> bool:
        """Whether other frames than the last few are bad, or good pictures belong to no frame."""
        read = {track_file(name, number) for number, section in self.sections.items() for name in section.buffers}
        rest = {track_file(name, number) for name, numbers in self.names.items() if name != PHOTO for number in numbers}
        return self._bad > self._bad_at_the_end or any(self._decodable(file) for file in rest - read)

    def _all(self) -> Iterator[tuple[Entry | None, int]]:
        """Every frame in order, and None at the end; with each, how many lines stand before it, but not for a frame.

        A line that cannot be read stands for a picture that has no line, if there is one.
        """
        strays = self._strays()
        for i, pts in enumerate(self.index.pts):
            between: list[Entry] = []
            while strays and strays[-1].pts < pts:
                between.append(strays.pop())
            yield from ((stray, 0) for stray in between)
            yield self.index.own_entry(i), max(0, self.index.damaged_before.get(i, 0) - len(between))
        yield from ((stray, 0) for stray in reversed(strays))
        yield None, max(0, self.index.unread_after - len(strays))

    def _strays(self) -> list[Entry]:
        """Entries for the pictures without a line, the last first. They hold only times; the first is a cut."""
        known = set(self.index.pts)
        found = sorted((pts, number) for number, times in self.times.items() for pts in times - known)
        return [Entry(pts=pts, section=number, frame_id=i, t_capture_ns=pts * MS, t_game=pts / 1000, dt=0.0,
                      flags=int(Flags.RESET if i == 0 else Flags.NONE), dropped=0, session_id=0, metres_per_unit=1.0,
                      camera=None) for i, (pts, number) in reversed(list(enumerate(found)))]

    def _about(self) -> About:
        try:
            return read_about(self.path)
        except OtherVersionError:
            raise
        except CaptureError:
            if COLOR not in self.names:
                raise
            return About(source="unknown", pacing="unknown")

    def _index(self) -> Index:
        try:
            return read_index(self.path)
        except CaptureError:
            return Index(self.path / INDEX)

    def _guessed(self) -> dict[int, Section]:
        """Rebuilds the sections from the tracks: the buffers from their names, the encodings from their widths."""
        sections: dict[int, Section] = {}
        for number in self.names.get(COLOR, []):
            width, height = self._size(track_file(COLOR, number))
            if 0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE:
                buffers = {name: encoding for name, numbers in self.names.items() if name != PHOTO and number in numbers
                           for encoding in self._encodings(name, track_file(name, number), width)}
                sections[number] = Section(number=number, width=width, height=height, buffers=buffers)
        return sections

    def _encodings(self, name: str, file: str, width: int) -> list[str]:
        count = self._size(file)[0] // width
        return [encoding.name for (kind, encoding), (dtype, channels) in FORMATS.items() if kind.name.lower() == name
                and (kind in COLOURS or channels * int(dtype[-1]) // 2 == count)]

    def _size(self, name: str) -> tuple[int, int]:
        try:
            return track_size(own_file(self.path, name))
        except CaptureError:
            return 0, 0

    def _times(self, section: Section) -> set[int]:
        """The times, in ms, at which every track of a section has a picture that can be decoded."""
        found = [self._decodable(track_file(name, section.number)) for name in section.buffers]
        return {pts for pts in set[int].intersection(*found) if 0 <= pts <= MAX_PTS}

    def _decodable(self, name: str) -> set[int]:
        try:
            file = own_file(self.path, name)
        except CaptureError:
            return set()
        self.progress(name)
        return decodable(file)
