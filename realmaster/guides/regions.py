"""Objects that stay as the game drew them, or the only ones that do not, by the game's own object ids."""

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
    """`keep` are ids that stay as they are; if there are any in `only`, all others stay too."""

    keep: tuple[int, ...] = ()
    only: tuple[int, ...] = ()

    def compose(self, frame: Frame, photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The photoreal picture (H, W, 3) of `frame` with the game's where it shall stay.

        Inside an object the game's pixels are exact; at its border, where a pixel of `photo` covers several of the
        game's, the two are mixed. Raises `UserError` if the frame has no object ids.
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
