"""Files that `render` makes: videos, and numbered pictures. Both grow in a `.part` folder that a killed render
leaves behind, and that the next run of the same command goes on with.

A video is encoded in pieces of whole windows, each a file that begins with a key frame; `finish`
joins their packets, unchanged. So a render that was killed gives the same bytes as one that was not.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import av
import av.error
import cv2
import numpy as np
from numpy.typing import NDArray

from realmaster.errors import UserError
from realmaster.pictures import fit
from realmaster.resume import FILE
from realmaster.session import Shown
from realmaster.stats import Stats

TICK = Fraction(1, 90_000)
PART = ".part"


@dataclass(frozen=True)
class Codec:
    """An encoder, the pixel format that it gets, its options, and the format of its pieces."""

    encoder: str
    pixel_format: str
    options: dict[str, str]
    piece: str = "nut"


CODECS = {
    "h264": Codec("libx264", "yuv420p", {"crf": "16", "preset": "veryfast", "bf": "0"}),
    "h265": Codec("libx265", "yuv420p", {"crf": "18", "preset": "fast", "x265-params": "bframes=0:log-level=none"}),
    "prores": Codec("prores_ks", "yuv422p10le", {"profile": "3"}, "mov"),
    "ffv1": Codec("ffv1", "bgr0", {"level": "3", "slicecrc": "1"}),
}
CONTAINERS = {".mp4": ("mp4", "h264"), ".mov": ("mov", "prores"), ".mkv": ("matroska", "ffv1")}
"""Format and default codec by suffix."""
PICTURES = (".png", ".exr")


class Layout:
    """What of a frame goes into the file: its photoreal version, at some size, perhaps beside the game's."""

    def __init__(self, size: tuple[int, int] | None, side_by_side: bool) -> None:
        self.size, self.side_by_side = size, side_by_side

    def compose(self, shown: Shown) -> NDArray[np.uint8]:
        """(H, W, 3) u8 RGB."""
        assert shown.photo is not None
        width, height = self.size or (shown.photo.shape[1], shown.photo.shape[0])
        photo = fit(shown.photo, width, height)
        return np.concatenate([fit(shown.frame.rgb, width, height), photo], 1) if self.side_by_side else photo


class Output(Protocol):
    """A `Sink` into `part`, which `finish` turns into the result."""

    part: Path

    def show(self, shown: Shown, stats: Stats) -> None:
        """Writes the next frame."""
        ...

    def settle(self) -> None:
        """Makes sure that all frames so far will outlive a crash: a render can go on from here."""
        ...

    def resume(self, frames: int, settled: int, origin_ns: int) -> None:
        """Goes on after `frames` frames, `settled` calls of `settle`; `origin_ns` is the first frame's time."""
        ...

    def finish(self) -> None:
        """All frames are there: makes the result. Raises `UserError` if that fails."""
        ...

    def close(self) -> None:
        """See `Sink.close`; what is not finished stays in `part`."""
        ...


def open_output(path: Path, layout: Layout, codec: str, rate: Fraction, comment: str) -> Output:
    """The output for `path`, by its suffix. Raises `UserError` if it is unknown or cannot be written."""
    output: Output
    if path.suffix in PICTURES:
        if path.with_suffix("").exists():
            raise UserError(f"{path.with_suffix('')} exists already: move it away, or choose another name")
        output = PictureFolder(path, layout)
    elif path.suffix in CONTAINERS:
        output = VideoFile(path, layout, codec if codec != "auto" else CONTAINERS[path.suffix][1], rate, comment)
    else:
        raise UserError(f"{path.name}: end the output in .mp4 (plays anywhere), .mkv (lossless), .mov (for editing), "
                        ".png or .exr (numbered pictures)")
    try:
        output.part.mkdir(exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}; choose another folder with -o") from error
    return output


class VideoFile:
    """A video in pieces."""

    def __init__(self, path: Path, layout: Layout, codec: str, rate: Fraction, comment: str) -> None:
        self.path, self.layout, self.codec, self.rate, self.comment = path, layout, CODECS[codec], rate, comment
        self.part = path.with_name(path.name + PART)
        self.pieces, self.frames = 0, 0
        self._origin: int | None = None
        self._open: tuple[Any, Any] | None = None  # the piece in hand: its container and stream

    def resume(self, frames: int, settled: int, origin_ns: int) -> None:
        """See `Output.resume`."""
        self.frames, self.pieces, self._origin = frames, settled, origin_ns

    def _piece(self, number: int) -> Path:
        return self.part / f"piece-{number:06d}.{self.codec.piece}"

    def show(self, shown: Shown, stats: Stats) -> None:
        """See `Sink.show`."""
        if shown.photo is None:
            return
        image = np.ascontiguousarray(self.layout.compose(shown))
        self._origin = shown.frame.t_capture_ns if self._origin is None else self._origin
        try:
            if self._open is None:
                self._open = self._begin(image.shape[1], image.shape[0])
            container, stream = self._open
            picture = av.VideoFrame.from_ndarray(image, format="rgb24")
            picture.pts = round((shown.frame.t_capture_ns - self._origin) / 1e9 / TICK)
            picture.time_base = TICK
            container.mux(stream.encode(picture))
        except (av.error.FFmpegError, OSError) as error:
            raise UserError(f"writing {self.path} failed after {self.frames} frames: {error}; is the disk full? "
                            "The same command goes on from here") from error
        self.frames += 1

    def _begin(self, width: int, height: int) -> tuple[Any, Any]:
        container = av.open(str(self._piece(self.pieces)), "w", format=self.codec.piece)
        stream: Any = container.add_stream(self.codec.encoder, rate=self.rate, options=self.codec.options)
        stream.width, stream.height, stream.pix_fmt = width, height, self.codec.pixel_format
        stream.codec_context.time_base = TICK
        return container, stream

    def settle(self) -> None:
        """See `Output.settle`: ends the piece."""
        if self._open is not None:
            (container, stream), self._open = self._open, None
            try:
                container.mux(stream.encode(None))
                container.close()
            except (av.error.FFmpegError, OSError) as error:
                raise UserError(f"writing {self.path} failed after {self.frames} frames: {error}; is the disk full? "
                                "The same command goes on from here") from error
            self.pieces += 1

    def finish(self) -> None:
        """See `Output.finish`: joins the pieces."""
        self.settle()
        if not self.frames:
            raise UserError(f"no frames to write to {self.path}: is the input empty?")
        whole = self.part / f"whole{self.path.suffix}"
        try:
            with av.open(str(whole), "w", format=CONTAINERS[self.path.suffix][0]) as container:
                container.metadata["comment"] = self.comment
                stream: Any = None
                for number in range(self.pieces):
                    stream = self._append(container, stream, self._piece(number))
            whole.replace(self.path)
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise UserError(f"cannot complete {self.path}: {error}; its frames are safe in {self.part}") from error
        shutil.rmtree(self.part)

    def _append(self, container: Any, stream: Any, piece: Path) -> Any:
        with av.open(str(piece)) as source:
            origin: Any = source.streams.video[0]
            if stream is None:
                stream = container.add_stream_from_template(origin, opaque=True)
                stream.time_base = TICK
            for packet in source.demux(origin):
                if packet.pts is not None:
                    packet.duration = round(1 / self.rate / packet.time_base)
                    packet.stream = stream
                    container.mux(packet)
        return stream

    def close(self) -> None:
        """See `Output.close`."""
        if self._open is not None:
            (container, _), self._open = self._open, None
            container.close()


class PictureFolder:
    """Numbered pictures: `NAME.png` gives a folder NAME with NAME_000000.png and so on.

    PNG holds the sRGB picture. EXR holds linear light in half floats, as compositing wants it; the model's
    output has 8 bits, and EXR does not make it more.
    """

    def __init__(self, path: Path, layout: Layout) -> None:
        self.path, self.layout = path.with_suffix(""), layout
        self.suffix, self.part = path.suffix, path.with_name(path.name + PART)
        self.frames = 0
        self._exr: Any = None

    def resume(self, frames: int, settled: int, origin_ns: int) -> None:
        """See `Output.resume`."""
        self.frames = frames

    def show(self, shown: Shown, stats: Stats) -> None:
        """See `Sink.show`."""
        if shown.photo is None:
            return
        image = self.layout.compose(shown)
        data = self._encode_exr(image) if self.suffix == ".exr" else cv2.imencode(".png", image[..., ::-1])[1].tobytes()
        try:
            (self.part / f"{self.path.name}_{self.frames:06d}{self.suffix}").write_bytes(data)
        except OSError as error:
            raise UserError(f"writing {self.path} failed after {self.frames} frames: {error.strerror}; free some "
                            "space, then the same command goes on from here") from error
        self.frames += 1

    def _encode_exr(self, image: NDArray[np.uint8]) -> bytes:
        if self._exr is None:
            self._exr = av.CodecContext.create("exr", "w")
            self._exr.width, self._exr.height = image.shape[1], image.shape[0]
            self._exr.pix_fmt, self._exr.time_base = "gbrpf32le", Fraction(1, 24)
            self._exr.options = {"compression": "zip16", "format": "half"}
        return bytes(self._exr.encode(av.VideoFrame.from_ndarray(linear(image), format="gbrpf32le"))[0])

    def settle(self) -> None:
        """See `Output.settle`: pictures are whole as soon as they are written."""

    def finish(self) -> None:
        """See `Output.finish`: gives the folder its name."""
        if not self.frames:
            raise UserError(f"no frames to write to {self.path}: is the input empty?")
        (self.part / FILE).unlink(missing_ok=True)
        self.part.rename(self.path)

    def close(self) -> None:
        """See `Output.close`."""


def linear(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """sRGB (H, W, 3) u8 to linear light, f32 in 0 to 1 (IEC 61966-2-1)."""
    v = np.arange(256) / 255
    table = np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4).astype(np.float32)
    return table[image]
