"""Reads a session's folder: its index lazily, its tracks picture by picture."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import av.error
import msgspec
import numpy as np
from numpy.typing import NDArray

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


class TrackReader:
    """Pictures of one Matroska file by their `pts`, which must be asked for in rising order, or after `seek`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._container = av.open(str(path))
            self._stream: Any = self._container.streams.video[0]
        except (OSError, av.error.FFmpegError, IndexError) as error:
            raise CaptureError(f"{path} cannot be read: `realmaster recover` mends a session") from error
        self._stream.codec_context.thread_count = 1
        self._format = "gray16le" if self._stream.codec_context.pix_fmt == "gray16le" else "rgb24"
        self._packets = self._container.demux(self._stream)
        self._ahead: tuple[int, Any] | None = None

    def picture(self, pts: int) -> NDArray[Any]:
        """The picture at `pts`: (H, W, 3) u8, or (H, W) u16. Raises `CaptureError` if it is missing or broken."""
        while True:
            try:
                at, packet = self._ahead or self._next_packet()
                self._ahead = None
                if at > pts:
                    self._ahead = at, packet
                if at == pts:
                    return np.asarray(packet.decode()[0].to_ndarray(format=self._format))
            except (StopIteration, av.error.FFmpegError, IndexError) as error:
                raise CaptureError(f"{self.path} has no good picture at {pts} ms: `realmaster recover` tells "
                                   "what is left") from error
            if at > pts:
                raise CaptureError(f"{self.path} has no picture at {pts} ms: `realmaster recover` mends the session")

    def _next_packet(self) -> tuple[int, Any]:
        while True:
            packet = next(self._packets)
            if packet.pts is not None:  # the last one is empty: it only flushes
                return round(packet.pts * packet.time_base * 1000), packet

    def seek(self, pts: int) -> None:
        """The next picture asked for is at or after `pts`."""
        self._container.seek(max(0, pts), stream=None if pts == 0 else self._stream, backward=True)
        self._packets = self._container.demux(self._stream)
        self._ahead = None

    def close(self) -> None:
        """Lets go of the file."""
        self._container.close()
