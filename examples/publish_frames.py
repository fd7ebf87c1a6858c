"""The smallest game: a bouncing square, published for `realmaster live --game none --ring example`."""

import math
import sys
import time

import numpy as np

from capture.frame import Flags, Frame, color_frame
from engine_plugins.publish import play

WIDTH, HEIGHT, FPS = 640, 360, 24


def draw(index: int) -> Frame:
    """Frame number `index`."""
    image = np.full((HEIGHT, WIDTH, 3), (90, 140, 200), np.uint8)
    image[HEIGHT // 2:] = (80, 120, 60)
    x = int(WIDTH / 2 + 200 * math.sin(index / 20))
    image[150:230, x:x + 80] = (200, 60, 50)
    flags = Flags.RESET if index == 0 else Flags.NONE
    return color_frame(index, time.monotonic_ns(), image, t_game=index / FPS, dt=1 / FPS, flags=flags)


if __name__ == "__main__":
    sys.exit(play("example", FPS, False, draw))
