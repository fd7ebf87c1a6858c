"""Files that `render` makes: videos, and numbered pictures. Both grow in a `.part` folder that a killed render
leaves behind, and that the next run of the same command goes on with.

A video is encoded in pieces of whole windows, each a file that begins with a key frame; `finish`
joins their packets, unchanged. So a render that was killed gives the same bytes as one that was not.
"""

from __future__ import annotations

import shutil
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.video.encode import CODECS, CONTAINERS, Encoder, ExrEncoder, join
from capture.video.files import VideoError
from realmaster.errors import UserError
from realmaster.pictures import fit
from realmaster.resume import FILE
from realmaster.session import Shown
from realmaster.stats import Stats

PART = ".part"
NS = 1_000_000_000
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
        self._encoder: Encoder | None = None  # of the piece in hand

    def resume(self, frames: int, settled: int, origin_ns: int) -> None:
        """See `Output.resume`."""
        self.frames, self.pieces, self._origin = frames, settled, origin_ns

    def _piece(self, number: int) -> Path:
        return self.part / f"piece-{number:06d}.{self.codec.piece}"

    def show(self, shown: Shown, stats: Stats) -> None:
        """See `Sink.show`."""
        if shown.photo is None:
            return
        image = self.layout.compose(shown)
        self._origin = shown.frame.t_capture_ns if self._origin is None else self._origin
        try:
            if self._encoder is None:
                self._encoder = Encoder(self._piece(self.pieces), self.codec.piece, self.codec,
                                        (image.shape[1], image.shape[0]), self.rate)
            self._encoder.add(image, Fraction(shown.frame.t_capture_ns - self._origin, NS))
        except VideoError as error:
            raise self._failed(error) from error
        self.frames += 1

    def _failed(self, error: VideoError) -> UserError:
        advice = "free some space, then the same command goes on from here" if error.full else (
            "the same command goes on from here")
        return UserError(f"writing {self.path} failed after {self.frames} frames: {error}; {advice}")

    def settle(self) -> None:
        """See `Output.settle`: ends the piece."""
        if self._encoder is not None:
            encoder, self._encoder = self._encoder, None
            try:
                encoder.finish()
            except VideoError as error:
                raise self._failed(error) from error
            self.pieces += 1

    def finish(self) -> None:
        """See `Output.finish`: joins the pieces."""
        self.settle()
        if not self.frames:
            raise UserError(f"no frames to write to {self.path}: is the input empty?")
        whole = self.part / f"whole{self.path.suffix}"
        try:
            join([self._piece(number) for number in range(self.pieces)], whole, CONTAINERS[self.path.suffix][0],
                 self.rate, self.comment)
            whole.replace(self.path)
        except (VideoError, OSError) as error:
            raise UserError(f"cannot complete {self.path}: {error}; its frames are safe in {self.part}") from error
        shutil.rmtree(self.part)

    def close(self) -> None:
        """See `Output.close`."""
        if self._encoder is not None:
            encoder, self._encoder = self._encoder, None
            encoder.close()


class PictureFolder:
    """Numbered pictures: `NAME.png` gives a folder NAME with NAME_000000.png and so on.

    PNG holds the sRGB picture. EXR holds linear light in half floats, as compositing wants it; the model's
    output has 8 bits, and EXR does not make it more.
    """

    def __init__(self, path: Path, layout: Layout) -> None:
        self.path, self.layout = path.with_suffix(""), layout
        self.suffix, self.part = path.suffix, path.with_name(path.name + PART)
        self.frames = 0
        self._exr: ExrEncoder | None = None

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
            self._exr = ExrEncoder(image.shape[1], image.shape[0])
        return self._exr.encode(linear(image))

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
