"""The dataset's format and its loader. For people: docs/DATASET.md.

    dataset.json        one `Card`
    clips.jsonl         a `Clip` line for each pair, a `Refused` line for each that did not line up
    contact.jpg         game and photograph of every clip, side by side
    clips/NAME/         a recorded session (`capture.recording.layout`): the game's colour and buffers, and
                        the path-traced twin as its `photo` track, lossless
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from capture.frame import Camera, Kind
from capture.recording.layout import PHOTO, track_file
from capture.session import SessionSource
from capture.video.tracks import TrackReader
from realmaster.errors import UserError
from realmaster.pairs.align import Alignment

CARD, INDEX, CLIPS, CONTACT = "dataset.json", "clips.jsonl", "clips", "contact.jpg"
FORMAT, VERSION = "realmaster-pairs", 1


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """What the whole dataset has in common."""

    format: str = FORMAT
    version: int = VERSION
    width: int
    height: int
    frames: int
    fps: float
    samples: int
    generator: str


class Clip(msgspec.Struct, frozen=True, kw_only=True, tag="clip"):
    """One pair. `start` is game time in seconds; `newcomers` maps an object's id to the frame in which it enters."""

    name: str
    split: str
    world: str
    seed: int
    start: float
    frames: int
    caption: str
    alignment: Alignment
    newcomers: dict[str, int]
    sha256: dict[str, str]


class Refused(msgspec.Struct, frozen=True, kw_only=True, tag="refused"):
    """A clip that was rendered and thrown away."""

    name: str
    why: str


_decode = msgspec.json.Decoder(Clip | Refused).decode
encode = msgspec.json.encode


@dataclass(frozen=True)
class Pair:
    """A pair in memory: `rendered` and `photoreal` (T, H, W, 3) u8 sRGB, aligned pixel by pixel.

    `buffers` has what was asked for, (T, H, W, C) in the frame contract's encodings; `cameras` one a frame.
    """

    clip: Clip
    rendered: NDArray[np.uint8]
    photoreal: NDArray[np.uint8]
    buffers: dict[Kind, NDArray[Any]]
    cameras: list[Camera | None]


class Dataset:
    """A dataset's folder. Raises `UserError` if it is none."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            self.card = msgspec.json.decode((folder / CARD).read_bytes(), type=Card)
            lines = [_decode(line) for line in (folder / INDEX).read_bytes().splitlines()]
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise UserError(f"{folder} is not a dataset of pairs ({error}): give the folder that `realmaster pairs "
                            "render --out FOLDER` wrote, or render one into a new folder") from error
        if self.card.format != FORMAT or self.card.version != VERSION:
            raise UserError(f"{folder} is a dataset of version {self.card.version}; this is version {VERSION}")
        self.clips = sorted((line for line in lines if isinstance(line, Clip)), key=lambda c: c.name)
        self.refused = [line for line in lines if isinstance(line, Refused)]

    def split(self, name: str) -> list[Clip]:
        """The clips of a split. Raises `UserError` if there are none."""
        clips = [clip for clip in self.clips if clip.split == name]
        if not clips:
            raise UserError(f"{self.folder} has no {name} clips: it has "
                            f"{', '.join(sorted({c.split for c in self.clips})) or 'none at all'}")
        return clips

    def load(self, clip: Clip, kinds: Collection[Kind] = ()) -> Pair:
        """Reads a pair with the buffers `kinds`.

        Raises `CaptureError` if a file is damaged, `UserError` if a frame has not all of the buffers.
        """
        path = self.folder / CLIPS / clip.name
        source, track = SessionSource(path, kinds=(Kind.COLOR, *kinds)), TrackReader(path / track_file(PHOTO, 0))
        try:
            frames = [source.read(0) for _ in range(source.frames_hint)]
            photo = [track.picture(pts) for pts in source.index.pts]
        finally:
            source.close()
            track.close()
        got = [frame for frame in frames if frame is not None]
        missing = sorted({kind.name.lower() for kind in kinds for frame in got if kind not in frame.buffers})
        if missing:
            raise UserError(f"{clip.name} has no {', '.join(missing)}: it was recorded without, and this needs it")
        buffers = {kind: np.stack([frame.buffers[kind].data for frame in got]) for kind in kinds}
        return Pair(clip, np.stack([frame.rgb for frame in got]), np.stack(photo), buffers,
                    [frame.camera for frame in got])


def checksums(folder: Path) -> dict[str, str]:
    """File name to SHA-256, of every file in a clip's folder."""
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.iterdir())}
