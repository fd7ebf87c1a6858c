"""The classical baseline: colour transfer by statistics (Reinhard et al., "Color Transfer between Images", 2001)."""

from __future__ import annotations

from pathlib import Path

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from realmaster.errors import UserError

Video = NDArray[np.uint8]
FILE = "colour.json"


class ColourStatistics(msgspec.Struct, frozen=True):
    """Mean and deviation of Lab colours (3 each) of game frames and of photographs."""

    game_mean: list[float]
    game_deviation: list[float]
    photo_mean: list[float]
    photo_deviation: list[float]

    @classmethod
    def of(cls, game: Video, photo: Video) -> ColourStatistics:
        """Measured over clips or pictures (..., 3) u8 sRGB."""
        parts: list[list[float]] = []
        for side in (game, photo):
            lab = to_lab(side.reshape(1, -1, 3))
            parts += [lab.mean((0, 1)).tolist(), lab.std((0, 1)).tolist()]
        return cls(*parts)

    def apply(self, video: Video) -> Video:
        """Gives `video` the photographs' statistics where it has the game's."""
        lab = np.stack([to_lab(picture) for picture in video])
        gain = np.array(self.photo_deviation) / np.maximum(self.game_deviation, 1e-3)
        moved = ((lab - np.array(self.game_mean)) * gain + np.array(self.photo_mean)).astype(np.float32)
        return np.stack([_from_lab(picture) for picture in moved])

    def save(self, folder: Path) -> None:
        """Writes `colour.json`."""
        (folder / FILE).write_bytes(msgspec.json.format(msgspec.json.encode(self)))

    @classmethod
    def load(cls, folder: Path) -> ColourStatistics:
        """Reads what `save` wrote. Raises `UserError`."""
        try:
            return msgspec.json.decode((folder / FILE).read_bytes(), type=cls)
        except (OSError, msgspec.MsgspecError) as error:
            raise UserError(f"no colour statistics in {folder}: `realmaster train` writes them ({error})") from error


def to_lab(picture: Video) -> NDArray[np.float32]:
    """(H, W, 3) u8 sRGB to CIE Lab."""
    return np.asarray(cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_RGB2LAB), np.float32)


def _from_lab(lab: NDArray[np.float32]) -> Video:
    rgb = cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)
    return (np.clip(rgb, 0, 1) * 255 + 0.5).astype(np.uint8)
