"""Opens video files, and says in plain words why that, or reading or writing them, failed.

FFmpeg never sees a name, because it takes names for addresses ("take:1", "http://...") or for patterns ("shot%03d"):
it is handed open files, and may open no others.
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
"""Formats that are read. Playlists and lists of files are not among them: they name other files."""
BUFFER = 256 << 10
_FULL = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "your share of the disk (quota) is used up",
         errno.EFBIG: "the file system, or a limit (ulimit -f), allows no larger file"}


class VideoError(CaptureError):
    """Reading or writing a video failed; its words are the reason alone. `full`: for want of space."""

    def __init__(self, reason: str, full: bool = False) -> None:
        super().__init__(reason)
        self.full = full

    @property
    def advice(self) -> str:
        """What to do before trying again, as the beginning of a sentence; empty if nothing helps."""
        return "free some space, then " if self.full else ""


@contextmanager
def told() -> Generator[None]:
    """Turns the errors of FFmpeg and of the system into `VideoError`."""
    try:
        yield
    except (av.error.FFmpegError, OSError) as error:
        number = error.errno or 0
        words = _FULL.get(number) or error.strerror or str(error)
        raise VideoError(words, number in _FULL) from error


class _File(io.FileIO):
    """A file that is written in whole: `io.FileIO` may write a part and return."""

    def write(self, data: Any) -> int:
        """Writes all of `data`. Raises `OSError` if that cannot be."""
        left = memoryview(data)
        while left:
            left = left[super().write(left):]
        return len(data)


class Container:
    """A PyAV container, `av`, over a file that is closed with it."""

    def __init__(self, file: io.FileIO, av_container: Any) -> None:
        self._file, self.av = file, av_container

    def close(self) -> None:
        """Writes what is left to write, and closes both; may be called twice. Raises `VideoError`."""
        try:
            with told():
                self.av.close()
                self._file.close()
        except VideoError:
            self.abandon()
            raise

    def abandon(self) -> None:
        """Lets go of a file that failed, as it is: PyAV writes no more into one that is closed."""
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
    """Raises `VideoError` if `path` cannot be read, or is no video file."""
    with told():
        file = io.FileIO(path)
        file.name = "video"  # FFmpeg judges by names, too
        try:
            options = {"format_whitelist": DEMUXERS, "protocol_whitelist": ""}
            container = av.open(file, "r", container_options=options, buffer_size=BUFFER, metadata_errors="replace")
        except BaseException:
            file.close()
            raise
    return Container(file, container)


def open_to_write(path: Path, container_format: str, options: Mapping[str, str] | None = None) -> Container:
    """Raises `VideoError` if `path` cannot be written; a file of that name is emptied."""
    with told():
        file = _File(path, "w")
        container = av.open(file, "w", format=container_format, options=dict(options or {}), buffer_size=BUFFER)
    return Container(file, container)
