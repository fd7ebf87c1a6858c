"""Writes numbered pictures: `NAME.png` makes a folder NAME with NAME_000000.png and so on, and times.csv."""

from __future__ import annotations

import re

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.video.encode import ExrEncoder
from capture.video.files import VideoError, told
from realmaster.errors import UserError
from realmaster.outputs.output import Layout
from realmaster.outputs.place import Place
from realmaster.stream.resume import FILE
from realmaster.stream.sink import Shown
from realmaster.stream.stats import Stats

NS = 1_000_000_000
TIMES = "times.csv"


def ours(name: str) -> str:
    """A regular expression that matches the names of the files in a folder of pictures called `name`."""
    return rf"{re.escape(name)}_\d{{6,}}\.(png|exr)|{re.escape(TIMES)}"


class PictureFolder:
    """An output of numbered pictures.

    PNG holds the picture as it is shown (sRGB). EXR holds linear light in half floats, which compositing needs; the
    precision stays that of the model's output, 8 bits. `TIMES` holds the time of each picture, in seconds.
    """

    def __init__(self, place: Place, layout: Layout, suffix: str) -> None:
        self.place, self.layout, self.suffix = place, layout, suffix
        self.frames = 0
        self.notes: list[str] = []
        self._origin: int | None = None
        self._exr: ExrEncoder | None = None

    def resume(self, frames: int, settled: int, origin_ns: int) -> None:
        """See `Output.resume`."""
        self.frames, self._origin = frames, origin_ns
        times = self.place.part / TIMES
        lines = times.read_text().splitlines(keepends=True)
        times.write_text("".join(lines[:frames + 1]))

    def _name(self, number: int) -> str:
        return f"{self.place.path.name}_{number:06d}{self.suffix}"

    def show(self, shown: Shown, stats: Stats) -> None:
        """See `Sink.show`."""
        if shown.photo is None:
            return
        image = self.layout.compose(shown)
        self._origin = shown.frame.t_capture_ns if self._origin is None else self._origin
        seconds = (shown.frame.t_capture_ns - self._origin) / NS
        try:
            data = self._encode_exr(image) if self.suffix == ".exr" else self._encode_png(image)
            name = self._name(self.frames)
            with told():
                (self.place.part / name).write_bytes(data)
                with (self.place.part / TIMES).open("a" if self.frames else "w") as times:
                    times.write(("" if self.frames else "file,seconds\n") + f"{name},{seconds:.6f}\n")
        except VideoError as error:
            raise UserError(f"writing {self.place.path} failed after {self.frames} frames: {error}; {error.advice}the "
                            "same command goes on from here") from error
        self.frames += 1

    @staticmethod
    def _encode_png(image: NDArray[np.uint8]) -> bytes:
        return cv2.imencode(".png", image[..., ::-1])[1].tobytes()

    def _encode_exr(self, image: NDArray[np.uint8]) -> bytes:
        if self._exr is None:
            self._exr = ExrEncoder(image.shape[1], image.shape[0])
        return self._exr.encode(linear(image))

    def settle(self) -> None:
        """See `Output.settle`. Does nothing: each picture is complete once it is written."""

    def finish(self) -> None:
        """See `Output.finish`. Checks that no picture is missing, and gives the folder its name."""
        if not self.frames:
            raise UserError(f"no frames to write to {self.place.path}: is the input empty?")
        part = self.place.part
        missing = [n for n in map(self._name, range(self.frames)) if not (part / n).is_file()]
        if missing:
            raise UserError(f"{missing[0]} is not in {part} any more: remove that folder to start over")
        (part / FILE).unlink(missing_ok=True)
        self.place.commit(part)

    def close(self) -> None:
        """See `Output.close`."""


def linear(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Converts sRGB, (H, W, 3) u8, to linear light, (H, W, 3) f32 from 0 to 1 (IEC 61966-2-1)."""
    v = np.arange(256) / 255
    table = np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4).astype(np.float32)
    return table[image]
