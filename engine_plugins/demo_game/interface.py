"""An interface for the demo game: text, a bar, a dial that moves. What games draw over their scene."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray


def draw_interface(scene: NDArray[np.uint8], t: float) -> NDArray[np.uint8]:
    """The picture (H, W, 4) u8 with an interface over it, at game time `t` in seconds."""
    picture: Any = scene.copy()
    height, width = picture.shape[:2]
    unit = max(1, height // 180)
    white, dark = (245, 245, 245, 255), (20, 24, 30, 255)
    cv2.rectangle(picture, (6 * unit, 6 * unit), (78 * unit, 22 * unit), dark, -1)
    cv2.putText(picture, f"TIME {t % 600:5.1f}", (9 * unit, 18 * unit), cv2.FONT_HERSHEY_SIMPLEX, 0.33 * unit, white,
                unit)
    full = round((0.5 + 0.5 * np.sin(t / 5)) * 60) * unit
    cv2.rectangle(picture, (6 * unit, height - 14 * unit), (68 * unit, height - 6 * unit), dark, -1)
    cv2.rectangle(picture, (7 * unit, height - 13 * unit), (7 * unit + full, height - 7 * unit), (90, 200, 90, 255), -1)
    centre, radius = (width - 22 * unit, height - 22 * unit), 16 * unit
    cv2.circle(picture, centre, radius, dark, -1)
    hand = centre[0] + round(radius * 0.8 * np.cos(t)), centre[1] + round(radius * 0.8 * np.sin(t))
    cv2.line(picture, centre, hand, (230, 80, 60, 255), unit)
    return picture
