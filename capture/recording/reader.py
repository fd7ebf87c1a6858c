"""Reads a session's facts and its index, and counts what is missing; tracks are read by `capture.video.tracks`.

Nothing in a session is trusted: a line that is cut, too long, out of order, or says what cannot be is left out, and
counted as a frame that is missing before the next one.
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
"""Bytes of the longest line that is read; the recorder's are a few hundred, 2,000 with a camera."""
MAX_ABOUT = 1 << 20


@dataclass
class Index:
    """What `frames.jsonl` holds: its sections by number, and where each frame's line starts, its `pts` and section."""

    path: Path
    sections: dict[int, Section] = field(default_factory=dict[int, Section])
    offsets: list[int] = field(default_factory=list[int])
    pts: list[int] = field(default_factory=list[int])
    section_of: list[int] = field(default_factory=list[int])
    damaged_before: dict[int, int] = field(default_factory=dict[int, int])
    """Lines that cannot be used, by the number of the frame that follows; those after the last under their count."""
    repeated: int = 0
    """Lines that say once more what was said already, or stand for no frame; nothing is missing for them."""
    dropped: int = 0
    """Frames that were lost in recording, as the lines of the others tell."""
    end: End | None = None

    @property
    def damaged(self) -> int:
        """Lines that cannot be used."""
        return sum(self.damaged_before.values())

    @property
    def unread_after(self) -> int:
        """Lines after the last frame that should be there and cannot be used."""
        unwritten = max(0, self.end.frames - len(self.pts) - self.damaged) if self.end else 0
        return self.damaged_before.get(len(self.pts), 0) + unwritten

    @property
    def told_after(self) -> int:
        """Frames that were lost after the last one, as the session itself tells."""
        return self.end.dropped if self.end else 0

    @property
    def missing_after(self) -> int:
        """Frames that should come after the last one and are not there."""
        return self.unread_after + self.told_after

    @property
    def missing(self) -> int:
        """Frames that the session should have and has not: lost in recording, or their lines cannot be used."""
        return self.dropped + self.damaged + self.missing_after - self.damaged_before.get(len(self.pts), 0)

    def entry(self, i: int) -> Entry:
        """The facts of frame `i`; its `dropped` counts the damaged lines before it, too."""
        entry = self.own_entry(i)
        return msgspec.structs.replace(entry, dropped=entry.dropped + self.damaged_before.get(i, 0))

    def own_entry(self, i: int) -> Entry:
        """The facts of frame `i` as its line has them. Raises `CaptureError` if the file is not what it was."""
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
        """The first frame at or after `seconds`."""
        return bisect_left(self.pts, seconds * 1000 - 0.5)

    def add(self, line: Line | None, offset: int) -> None:
        """Takes the line that starts at byte `offset`; None if it could not be read."""
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
        """Whether the same line came before."""
        if isinstance(line, End):
            return line == self.end
        if isinstance(line, Section):
            return line == self.sections.get(line.number)
        i = bisect_left(self.pts, line.pts)
        return i < len(self.pts) and self.pts[i] == line.pts and line == self.own_entry(i)

    def _follows(self, entry: Entry) -> bool:
        """Whether `entry` may come next."""
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
    """Raises `CaptureError` unless `folder` is a session of this version."""
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
    """A session of another version: it must not be taken for a damaged one."""


class _Version(msgspec.Struct, frozen=True):
    format: str
    version: int


def read_index(folder: Path) -> Index:
    """Reads the index once. Raises `CaptureError` if there is none."""
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
