"""Reads a session's facts and its index; its tracks are read by `capture.video.tracks`."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from pathlib import Path

import msgspec

from capture.errors import CaptureError
from capture.recording.layout import ABOUT, FORMAT, INDEX, PART, VERSION, About, End, Entry, Section, decode_line


@dataclass(frozen=True)
class Index:
    """What `frames.jsonl` holds: where each frame's line starts, its `pts`, and its section's number."""

    path: Path
    sections: list[Section]
    offsets: list[int]
    pts: list[int]
    section_of: list[int]
    ended: bool
    bad_lines: int

    def entry(self, i: int) -> Entry:
        """The facts of frame `i`."""
        with self.path.open("rb") as file:
            file.seek(self.offsets[i])
            line = decode_line(file.readline())
        assert isinstance(line, Entry)
        return line

    def at(self, seconds: float) -> int:
        """The first frame at or after `seconds`."""
        return bisect_left(self.pts, round(seconds * 1000))


def read_about(folder: Path) -> About:
    """Raises `CaptureError` unless `folder` is a session of this version."""
    try:
        about = msgspec.json.decode((folder / ABOUT).read_bytes(), type=About)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        hint = ""
        if folder.with_name(folder.name + PART).is_dir():
            hint = f"; its recording was cut short: `realmaster recover {folder}{PART}`"
        raise CaptureError(f"{folder} is not a recorded session{hint}") from error
    if about.format != FORMAT or about.version != VERSION:
        raise CaptureError(f"{folder} is a session of version {about.version}; this is version {VERSION}")
    return about


def read_index(folder: Path) -> Index:
    """Reads the index once. Lines that are cut or damaged are counted; frames out of order count as damaged."""
    index = Index(folder / INDEX, [], [], [], [], False, 0)
    ended, bad, offset = False, 0, 0
    try:
        with index.path.open("rb") as file:
            for raw in file:
                at, offset = offset, offset + len(raw)
                try:
                    line = decode_line(raw)
                except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                    bad += 1
                    continue
                match line:
                    case Section():
                        index.sections.append(line)
                    case End():
                        ended = True
                    case Entry() if line.section < len(index.sections) and line.pts > (index.pts or [-1])[-1]:
                        index.offsets.append(at)
                        index.pts.append(line.pts)
                        index.section_of.append(line.section)
                    case _:
                        bad += 1
    except OSError:
        bad += 1
    return Index(index.path, index.sections, index.offsets, index.pts, index.section_of, ended, bad)
