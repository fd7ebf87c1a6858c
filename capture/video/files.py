"""Opens video files, and turns errors of FFmpeg into plain sentences.

FFmpeg never gets a name, because it takes names for addresses ("take:1", "http://...") or for patterns ("shot%03d"). It
gets open files, and may open no others.
"""

from __future__ import annotations

import errno
import io
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import av
import av.error

from capture.errors import CaptureError

DEMUXERS = ("asf,avi,avs,dv,flv,gif,h261,h263,h264,hevc,ivf,matroska,webm,m4v,mjpeg,mov,mp4,m4a,3gp,3g2,mj2,mpeg,"
            "mpegts,mpegvideo,mxf,nut,obu,ogg,rm,vc1,wtv,yuv4mpegpipe")
"""The formats that are read. Playlists and lists of files are left out, because they name other files."""
BUFFER = 256 << 10
_FULL = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "your share of the disk (quota) is used up",
         errno.EFBIG: "the file system, or a limit (ulimit -f), allows no larger file"}


class VideoError(CaptureError):
    """Reading or writing a video has failed. Its text is only the reason. `full`: the disk has no space left."""

    def __init__(self, reason: str, full: bool = False) -> None:
        super().__init__(reason)
        self.full = full

    @property
    def advice(self) -> str:
        """What to do before another try, as the beginning of a sentence; empty if there is no advice."""
        return "free some space, then " if self.full else ""


@contextmanager
def told() -> Generator[None]:
    """Turns errors of FFmpeg and of the system, raised in the `with` block, into `VideoError`."""
    try:
        yield
    except (av.error.FFmpegError, OSError) as error:
        number = error.errno or 0
        words = _FULL.get(number) or error.strerror or str(error)
        raise VideoError(words, number in _FULL) from error


class _File(io.FileIO):
    """A file whose `write` writes all of its data. That of `io.FileIO` may write only a part."""

    def write(self, data: Any) -> int:
        """Writes all of `data`. Raises `OSError` if that fails."""
        left = memoryview(data)
        while left:
            left = left[super().write(left):]
        return len(data)


class Container:
    """A PyAV container, `av`, and its file. Both are closed together."""

    def __init__(self, file: io.FileIO, av_container: Any) -> None:
        self._file, self.av = file, av_container

    def close(self) -> None:
        """Writes the rest and closes both. May be called twice. Raises `VideoError` if writing fails."""
        try:
            with told():
                self.av.close()
                self._file.close()
        except VideoError:
            self.abandon()
            raise

    def abandon(self) -> None:
        """Closes a file that has failed, without writing: PyAV writes nothing into a closed file."""
        with suppress(OSError):
            self._file.close()
        self.av.close()

    def __enter__(self) -> Container:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()


def open_to_read(path: Path) -> Container:
    """Opens a video file. Raises `VideoError` if it cannot be read, or is no video."""
    with told():
        file = io.FileIO(path)
        file.name = "video"  # FFmpeg also guesses formats from names
        try:
            options = {"format_whitelist": DEMUXERS, "protocol_whitelist": ""}
            container = av.open(file, "r", container_options=options, buffer_size=BUFFER, metadata_errors="replace")
        except BaseException:
            file.close()
            raise
    return Container(file, container)


def open_to_write(path: Path, container_format: str, options: Mapping[str, str] | None = None) -> Container:
    """Opens a video file for writing. A file that exists is emptied. Raises `VideoError` if that fails."""
    with told():
        file = _File(path, "w")
        container = av.open(file, "w", format=container_format, options=dict(options or {}), buffer_size=BUFFER)
    return Container(file, container)
