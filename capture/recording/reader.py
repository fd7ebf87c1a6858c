"""Reads the facts and the index of a session, and counts missing frames. `capture.video.tracks` reads its tracks.

A session may be damaged. A line that is incomplete, too long, out of order or impossible is left out. It counts as one
frame that is missing before the next one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import msgspec

from capture.errors import BadFrame, CaptureError
from capture.recording.folder import own_file
from capture.recording.layout import (
    ABOUT,
    FORMAT,
    INDEX,
    VERSION,
    About,
    End,
    Entry,
    Line,
    Section,
    check_entry,
    decode_line,
)

MAX_LINE = 1 << 16
"""The most bytes in a line that is read. The recorder's lines have a few hundred, with a camera 2,000."""
MAX_ABOUT = 1 << 20


@dataclass
class Index:
    """The contents of `frames.jsonl`: the sections by number, and the offset, `pts` and section of each frame."""

    path: Path
    sections: dict[int, Section] = field(default_factory=dict[int, Section])
    offsets: list[int] = field(default_factory=list[int])
    pts: list[int] = field(default_factory=list[int])
    section_of: list[int] = field(default_factory=list[int])
    damaged_before: dict[int, int] = field(default_factory=dict[int, int])
    """How many lines are unusable, by the number of the frame after them, or by the number of frames at the end."""
    repeated: int = 0
    """The number of lines that repeat others or stand for no frame. They do not count as missing frames."""
    dropped: int = 0
    """The number of frames lost during recording, summed over the `dropped` of all entries."""
    end: End | None = None

    @property
    def damaged(self) -> int:
        """The number of unusable lines."""
        return sum(self.damaged_before.values())

    @property
    def unread_after(self) -> int:
        """The number of lines after the last frame that are unusable or absent."""
        unwritten = max(0, self.end.frames - len(self.pts) - self.damaged) if self.end else 0
        return self.damaged_before.get(len(self.pts), 0) + unwritten

    @property
    def told_after(self) -> int:
        """The number of frames lost after the last one, as the `End` line says."""
        return self.end.dropped if self.end else 0

    @property
    def missing_after(self) -> int:
        """The number of frames that are missing after the last one."""
        return self.unread_after + self.told_after

    @property
    def missing(self) -> int:
        """The number of all missing frames: lost during recording, or with an unusable line."""
        return self.dropped + self.damaged + self.missing_after - self.damaged_before.get(len(self.pts), 0)

    def entry(self, i: int) -> Entry:
        """The facts of frame `i`. Its `dropped` includes the unusable lines before it."""
        entry = self.own_entry(i)
        return msgspec.structs.replace(entry, dropped=entry.dropped + self.damaged_before.get(i, 0))

    def own_entry(self, i: int) -> Entry:
        """The facts of frame `i` as its line has them. Raises `CaptureError` if the file has changed."""
        try:
            with self.path.open("rb") as file:
                file.seek(self.offsets[i])
                line = decode_line(file.readline(MAX_LINE))
        except (OSError, msgspec.MsgspecError) as error:
            raise CaptureError(f"{self.path} was changed while it was read: open the session again") from error
        if not isinstance(line, Entry):
            raise CaptureError(f"{self.path} was changed while it was read: open the session again")
        return line

    def at(self, seconds: float) -> int:
        """The number of the first frame at or after the time `seconds`."""
        return bisect_left(self.pts, seconds * 1000 - 0.5)

    def add(self, line: Line | None, offset: int) -> None:
        """Adds the line that starts at byte `offset`; None stands for an unreadable line."""
        if line is not None and self._said(line):
            self.repeated += 1
        elif line is None or self.end is not None:
            self._damaged()
        elif isinstance(line, End):
            self.end = line
        elif isinstance(line, Section):
            if line.number > max(self.sections, default=-1):
                self.sections[line.number] = line
            else:
                self._damaged()
        elif self._follows(line):
            self.offsets.append(offset)
            self.pts.append(line.pts)
            self.section_of.append(line.section)
            self.dropped += line.dropped
        else:
            self._damaged()

    def close(self) -> None:
        """After the last line: where it is known how many frames there were, no more of the damaged lines count."""
        if self.end is None:
            return
        excess = max(0, self.damaged - max(0, self.end.frames - len(self.pts)))
        self.repeated += excess
        for i in sorted(self.damaged_before):
            spared = min(excess, self.damaged_before[i])
            self.damaged_before[i] -= spared
            excess -= spared

    def _damaged(self) -> None:
        self.damaged_before[len(self.pts)] = self.damaged_before.get(len(self.pts), 0) + 1

    def _said(self, line: Line) -> bool:
        """Whether the same line was added before."""
        if isinstance(line, End):
            return line == self.end
        if isinstance(line, Section):
            return line == self.sections.get(line.number)
        i = bisect_left(self.pts, line.pts)
        return i < len(self.pts) and self.pts[i] == line.pts and line == self.own_entry(i)

    def _follows(self, entry: Entry) -> bool:
        """Whether `entry` is valid as the next one."""
        if entry.section not in self.sections:
            return False
        if self.pts and (entry.pts <= self.pts[-1] or entry.section < self.section_of[-1]):
            return False
        try:
            check_entry(entry)
        except BadFrame:
            return False
        return True


def read_about(folder: Path) -> About:
    """Reads the facts about the session in `folder`. Raises `CaptureError` unless it is one of this version."""
    path = own_file(folder, ABOUT)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_ABOUT)
        version = msgspec.json.decode(data, type=_Version)
        if version.format != FORMAT or version.version != VERSION:
            raise OtherVersionError(f"{folder} is a session of version {version.version}, and this RealMaster reads "
                                    f"version {VERSION}: use the RealMaster that recorded it, or a newer one")
        return msgspec.json.decode(data, type=About)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise CaptureError(f"{folder} is not a recorded session: its {ABOUT} cannot be read") from error


class OtherVersionError(CaptureError):
    """The session has another version, which must not be taken for damage."""


class _Version(msgspec.Struct, frozen=True):
    format: str
    version: int


def read_index(folder: Path) -> Index:
    """Reads the index of the session in `folder`. Raises `CaptureError` if there is none."""
    index = Index(own_file(folder, INDEX))
    try:
        with index.path.open("rb") as file:
            for offset, raw in _lines(file):
                index.add(_decoded(raw), offset)
        index.close()
    except OSError as error:
        raise CaptureError(f"cannot read {index.path}: {error.strerror}") from error
    return index


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Each line with its place; of one longer than `MAX_LINE` nothing is kept."""
    offset = 0
    while raw := file.readline(MAX_LINE):
        length, ended = len(raw), raw.endswith(b"\n")
        while not ended and (rest := file.readline(MAX_LINE)):
            raw, ended, length = b"", rest.endswith(b"\n"), length + len(rest)
        yield offset, raw
        offset += length


def _decoded(raw: bytes) -> Line | None:
    try:
        return decode_line(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
