"""How much chunk borders show: the tiny model over ten seconds of the demo game, stitched in several ways.

`overlap` is the mean difference (0 to 255) of two chunks' versions of the frames they share, before
blending. `border` is the frame-to-frame change where a chunk begins over that elsewhere, against the
game's own at the same frames: 1.00 means that no seam shows.
"""

from __future__ import annotations

import numpy as np

from benchmarks.common import machine
from bridge.contract import RenderSettings
from engine_plugins.demo_game.raster import Rasteriser
from engine_plugins.demo_game.worlds import WORLDS
from realmaster.config import Model
from realmaster.evaluation.stream import stream
from realmaster.models.open import open_backend
from realmaster.stream.stitch import border_ratio

FRAMES, FPS = 200, 24


def main() -> None:
    """Prints the table."""
    game = Rasteriser(WORLDS["street"](7), 256, 144)
    video = np.stack([game.render(0.5 + i / FPS, 1 / FPS).colour[..., :3] for i in range(FRAMES)])
    print(machine())
    print("overlap  carry   overlap difference  border (game's own)")
    for overlap in (1, 5):
        for carry in (False, True):
            backend = open_backend(Model(overlap=overlap))
            stride = backend.spec.stride
            if not carry:
                render = backend.render
                backend.render = lambda w, p, _, render=render: render(w, p, None)  # type: ignore[method-assign]
            kept = stream(backend, video, RenderSettings())
            borders = list(range(stride, FRAMES, stride))
            print(f"{overlap:7}  {'yes' if carry else 'no':<6}  {np.mean(kept.seams):18.2f}  "
                  f"{border_ratio(np.stack(kept.photos), borders):6.2f} ({border_ratio(video, borders):.2f})")


if __name__ == "__main__":
    main()
