"""Keeps chosen objects as the game drew them, by the game's object ids."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.frame import Frame, Kind
from realmaster.errors import UserError
from realmaster.guides.pictures import fit


@dataclass(frozen=True)
class Regions:
    """Object ids to keep. Objects in `keep` stay as the game drew them.

    If `only` is not empty, all objects that are not in `only` stay, too.
    """

    keep: tuple[int, ...] = ()
    only: tuple[int, ...] = ()

    def compose(self, frame: Frame, photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Puts the game's pixels of the kept objects into the photoreal picture.

        At the border of an object, where one pixel of `photo` covers several of the game's, the two are mixed.

        Args:
            frame: the game's frame.
            photo: its photoreal picture, (H, W, 3) u8.

        Returns:
            The picture, (H, W, 3) u8.

        Raises:
            UserError: the frame has no object ids.
        """
        if not self.keep and not self.only:
            return photo
        if Kind.OBJECT_ID not in frame.buffers:
            raise UserError("--keep and --only need object ids, and this source gives none: use a game that does, "
                            "or a session recorded with them")
        ids = frame.buffers[Kind.OBJECT_ID].data[..., 0]
        stays = np.isin(ids, self.keep)
        if self.only:
            stays |= ~np.isin(ids, self.only)
        height, width = photo.shape[:2]
        share = cv2.resize(stays.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)[..., None]
        game = fit(frame.rgb, width, height)
        return np.rint(share * game + (1 - share) * photo).astype(np.uint8)
