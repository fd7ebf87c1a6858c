"""Tracks of a recorded session: Matroska files of one video stream, of which every picture is a key frame.

Encoders that give a packet for each picture at once, files of such packets, and readers of such files.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from capture.errors import CaptureError
from capture.video.encode import frame_of, padded, stored_size, tag
from capture.video.files import VideoError, open_to_read, open_to_write, told

TICK = Fraction(1, 1000)
LOSSLESS_RGB = ("libx264rgb", "rgb24", {"preset": "ultrafast", "qp": "0", "tune": "zerolatency"})
NEAR_LOSSLESS = ("libx264", "yuv420p", {"preset": "veryfast", "crf": "14", "tune": "zerolatency"})
BIT_EXACT = ("ffv1", "gray16le", {"level": "3", "slicecrc": "1"})
CLUSTER_MS = 100
"""A cluster is closed and written this often, in milliseconds. A crash loses no more than that."""
_OPTIONS = {"flush_packets": "1", "cluster_time_limit": str(CLUSTER_MS)}


class TrackEncoder:
    """Encodes pictures of one size, each as a key frame and without delay."""

    def __init__(self, codec: tuple[str, str, dict[str, str]], width: int, height: int) -> None:
        name, self._pixel_format, options = codec
        # This container writes nothing. Its stream is the template for the files that get the packets.
        self._scratch = av.open(os.devnull, "w", format="matroska")
        self.stream: Any = self._scratch.add_stream(name, rate=30, options=options)
        self.stream.width, self.stream.height = stored_size(width, height, self._pixel_format)
        self.stream.pix_fmt = self._pixel_format
        if self._pixel_format != "gray16le":
            tag(self.stream, self._pixel_format)
        context = self.stream.codec_context
        context.time_base, context.gop_size, context.thread_count = TICK, 1, 1
        try:
            self._scratch.start_encoding()
        except av.error.FFmpegError as error:
            raise CaptureError(f"{name} cannot record pictures of {width}x{height}: {error}") from error

    def encode(self, picture: NDArray[Any], pts: int) -> bytes:
        """Encodes a picture, (H, W, 3) u8 RGB or (H, W) u16, as a packet. Raises `VideoError` if that fails."""
        with told():
            if picture.ndim == 3:
                frame = frame_of(padded(picture, self._pixel_format), self._pixel_format)
            else:
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format=self._pixel_format)
            frame.pts, frame.time_base = pts, TICK
            packets = self.stream.encode(frame)
        if len(packets) != 1:
            raise CaptureError(f"{self.stream.codec_context.name} holds pictures back and cannot record")
        return bytes(packets[0])


class TrackFile:
    """Writes encoded packets into a new file like stream `template`. All methods raise `VideoError` if they fail."""

    def __init__(self, path: Path, template: Any) -> None:
        self._file = open_to_write(path, "matroska", _OPTIONS)
        self._stream: Any = self._file.av.add_stream_from_template(template, opaque=True)
        self._stream.time_base = TICK

    def write(self, packet: bytes, pts: int) -> None:
        """Appends a packet, which is a key frame."""
        out = av.Packet(packet)
        out.pts = out.dts = pts
        out.time_base, out.stream, out.is_keyframe = TICK, self._stream, True
        with told():
            self._file.av.mux(out)

    def close(self) -> None:
        """Writes the file's index and length, and closes it."""
        self._file.close()


class TrackReader:
    """Reads the pictures of a track by their `pts`. They must be read in rising order, except after `seek`.

    Raises `CaptureError` if the file cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = open_to_read(path)
            self._stream: Any = self._file.av.streams.video[0]
        except (VideoError, IndexError) as error:
            raise CaptureError(f"{path} cannot be read: `realmaster recover` mends a session") from error
        self._stream.codec_context.thread_count = 1
        self._format = "gray16le" if self._stream.codec_context.pix_fmt == "gray16le" else "rgb24"
        self._packets = self._file.av.demux(self._stream)
        self._ahead: tuple[int, Any] | None = None

    def picture(self, pts: int) -> NDArray[Any]:
        """The picture at `pts` ms, (H, W, 3) u8 or (H, W) u16. Raises `CaptureError` if it is missing or damaged."""
        while True:
            try:
                at, packet = self._ahead or self._next_packet()
                self._ahead = None
                if at > pts:
                    self._ahead = at, packet
                if at == pts:
                    return self._decoded(packet)
            except (StopIteration, OSError, av.error.FFmpegError, IndexError) as error:
                raise CaptureError(f"{self.path} has no good picture at {pts} ms: `realmaster recover` tells "
                                   "what is left") from error
            if at > pts:
                raise CaptureError(f"{self.path} has no picture at {pts} ms: `realmaster recover` mends the session")

    def until(self, pts: int) -> tuple[int, NDArray[Any]] | None:
        """The newest picture up to `pts` ms, and its time in ms; None if there is none since the last one read.

        Raises `CaptureError` if it is damaged.
        """
        newest = None
        try:
            while (ahead := self._ahead or self._next_packet())[0] <= pts:
                newest, self._ahead = ahead, None
            self._ahead = ahead
        except (StopIteration, OSError, av.error.FFmpegError):
            self._ahead = None  # the end
        if newest is None:
            return None
        try:
            return newest[0], self._decoded(newest[1])
        except (av.error.FFmpegError, IndexError) as error:
            raise CaptureError(f"{self.path} has a broken picture at {newest[0]} ms") from error

    def _decoded(self, packet: Any) -> NDArray[Any]:
        return np.asarray(packet.decode()[0].to_ndarray(format=self._format))

    def _next_packet(self) -> tuple[int, Any]:
        while True:
            packet = next(self._packets)
            if packet.pts is not None:  # the last packet is empty: it only flushes the decoder
                return round(packet.pts * packet.time_base * 1000), packet

    def seek(self, pts: int) -> None:
        """Prepares for reading pictures at or after `pts`, in milliseconds."""
        self._file.av.seek(max(0, pts), stream=None if pts == 0 else self._stream, backward=True)
        self._packets = self._file.av.demux(self._stream)
        self._ahead = None

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def track_size(path: Path) -> tuple[int, int]:
    """Width and height of the pictures of a track; 0, 0 if it cannot be opened."""
    try:
        with open_to_read(path) as file:
            stream = file.av.streams.video[0]
            return stream.width, stream.height
    except (VideoError, IndexError):
        return 0, 0


def decodable(path: Path) -> set[int]:
    """The times, in ms, of those pictures of a track that can be decoded; none if the file cannot be opened."""
    good: set[int] = set()
    try:
        with open_to_read(path) as file:
            stream: Any = file.av.streams.video[0]
            stream.codec_context.thread_count = 1
            with told():  # the file ends inside a cluster; the pictures before it are valid
                for packet in file.av.demux(stream):
                    if packet.pts is not None and _decodes(packet):
                        good.add(round(packet.pts * packet.time_base * 1000))
    except (VideoError, IndexError):
        return good
    return good


def times(path: Path) -> set[int]:
    """The times, in ms, of all pictures of a track, without decoding them. Raises `VideoError` if reading fails."""
    with open_to_read(path) as file, told():
        stream = file.av.streams.video[0]
        return {round(packet.pts * packet.time_base * 1000) for packet in file.av.demux(stream)
                if packet.pts is not None}


def _decodes(packet: Any) -> bool:
    try:
        return bool(packet.decode())
    except av.error.FFmpegError:
        return False


def copy_track(source: Path, target: Path, wanted: Collection[int]) -> None:
    """Copies the packets at the `wanted` times, in ms, unchanged into a new file. Raises `VideoError` if that fails."""
    if not wanted:
        return
    with open_to_read(source) as file, told():
        stream: Any = file.av.streams.video[0]
        out = TrackFile(target, stream)
        last = max(wanted)
        for packet in file.av.demux(stream):
            if packet.pts is None:
                break
            pts = round(packet.pts * packet.time_base * 1000)
            if pts in wanted:
                out.write(bytes(packet), pts)
            if pts >= last:
                break
        out.close()
