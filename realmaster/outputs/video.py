"""Writes a video file.

The video is encoded in pieces of whole windows. Each piece is a file that begins with a key frame. `finish` joins the
packets of the pieces unchanged. A render that was killed and continued therefore gives the same bytes as one that ran
through.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from capture.video.encode import CODECS, Encoder
from capture.video.files import VideoError
from capture.video.join import Film, join, pictures_in
from realmaster.errors import UserError
from realmaster.outputs.output import Layout
from realmaster.outputs.place import Place
from realmaster.stream.sink import Shown
from realmaster.stream.stats import Stats

NS = 1_000_000_000
OURS = r"piece-\d+\.(nut|mov)|whole\.\w+"


class VideoFile:
    """An output that is a video file, with the sound of its input."""

    def __init__(self, place: Place, layout: Layout, film: Film) -> None:
        self.place, self.layout, self.film = place, layout, film
        self.codec = CODECS[film.codec]
        self.pieces, self.frames = 0, 0
        self.notes: list[str] = []
        self._origin: int | None = None
        self._encoder: Encoder | None = None  # of the present piece

    def resume(self, frames: int, settled: int, origin_ns: int) -> None:
        """See `Output.resume`."""
        self.frames, self.pieces, self._origin = frames, settled, origin_ns

    def _piece(self, number: int) -> Path:
        return self.place.part / f"piece-{number:06d}.{self.codec.piece}"

    def show(self, shown: Shown, stats: Stats) -> None:
        """See `Sink.show`."""
        if shown.photo is None:
            return
        image = self.layout.compose(shown)
        self._origin = shown.frame.t_capture_ns if self._origin is None else self._origin
        try:
            if self._encoder is None:
                self._encoder = Encoder(self._piece(self.pieces), self.codec.piece, self.codec, self.film.rate)
            self._encoder.add(image, Fraction(shown.frame.t_capture_ns - self._origin, NS))
        except VideoError as error:
            raise self._failed(error) from error
        self.frames += 1

    def _failed(self, error: VideoError) -> UserError:
        return UserError(f"writing {self.place.path} failed after {self.frames} frames: {error}; {error.advice}the "
                         "same command goes on from here")

    def settle(self) -> None:
        """See `Output.settle`. Ends the present piece."""
        if self._encoder is not None:
            encoder, self._encoder = self._encoder, None
            try:
                encoder.finish()
            except VideoError as error:
                raise self._failed(error) from error
            self.pieces += 1

    def finish(self) -> None:
        """See `Output.finish`. Joins the pieces, checks that all frames can be read, and moves the file to its path."""
        self.settle()
        if not self.frames:
            raise UserError(f"no frames to write to {self.place.path}: is the input empty?")
        whole = self.place.part / f"whole{self.place.path.suffix.lower()}"
        try:
            self._join(whole)
            if (count := pictures_in(whole)) != self.frames:
                raise VideoError(f"{count} of {self.frames} frames came out of it again")
        except VideoError as error:
            raise UserError(f"cannot complete {self.place.path}: {error}; its frames are safe in {self.place.part}, "
                            f"{error.advice}the same command goes on") from error
        self.place.commit(whole)
        self.place.clear()

    def _join(self, whole: Path) -> None:
        pieces = [self._piece(number) for number in range(self.pieces)]
        try:
            self.notes += join(pieces, whole, self.film)
        except VideoError as error:
            if self.film.sound is None or error.full:
                raise
            join(pieces, whole, replace(self.film, sound=None))
            self.notes.append(f"the sound of {self.film.sound.path.name} is left out: {error}")

    def close(self) -> None:
        """See `Output.close`."""
        if self._encoder is not None:
            encoder, self._encoder = self._encoder, None
            encoder.close()
