"""How much chunk borders show: the tiny model over ten seconds of the demo game, stitched in several ways.

`overlap` is the mean difference (0 to 255) of two chunks' versions of the frames they share, before
blending. `border` is the frame-to-frame change where a chunk begins over that elsewhere, against the
game's own at the same frames: 1.00 means that no seam shows.
"""

from __future__ import annotations

import numpy as np

from benchmarks.common import machine
from bridge.protocol import RenderSettings
from capture.errors import SourceEnded
from capture.frame import Flags, Frame, color_frame
from capture.source import Pacing, SourceInfo
from engine_plugins.demo_game.raster import Rasteriser
from engine_plugins.demo_game.scene import build_street
from realmaster.backends import open_backend
from realmaster.config import Model
from realmaster.link import LocalLink
from realmaster.session import Session, Shown
from realmaster.stats import Stats
from realmaster.stitch import border_ratio

FRAMES, FPS = 200, 24


class Clip:
    """The demo game's frames, as an offline source."""

    trouble = ""

    def __init__(self) -> None:
        game = Rasteriser(build_street(7), 256, 144)
        self.frames = [color_frame(i, i, game.render(0.5 + i / FPS, 1 / FPS).colour[..., :3],
                                   flags=Flags.RESET if i == 0 else Flags.NONE) for i in range(FRAMES)]
        self.info = SourceInfo("clip", 256, 144, None, live=False)
        self.next = 0

    def read(self, timeout: float) -> Frame | None:
        """The next frame."""
        if self.next == FRAMES:
            raise SourceEnded("over")
        self.next += 1
        return self.frames[self.next - 1]

    def keep_alive(self) -> None:
        """Nobody waits."""

    def close(self) -> None:
        """Nothing to let go of."""


class Collect:
    """Keeps pictures and the seams of the joins."""

    def __init__(self) -> None:
        self.photos: list[np.ndarray] = []
        self.seams: list[float] = []

    def show(self, shown: Shown, stats: Stats) -> None:
        """One frame."""
        if shown.photo is not None:
            self.photos.append(shown.photo)
        if stats.seam is not None and (not self.seams or self.seams[-1] != stats.seam):
            self.seams.append(stats.seam)

    def close(self) -> None:
        """Nothing to do."""


def main() -> None:
    """Prints the table."""
    print(machine())
    print("overlap  carry   overlap difference  border (game's own)")
    for overlap in (1, 5):
        for carry in (False, True):
            backend = open_backend(Model(overlap=overlap))
            stride = backend.spec.stride
            if not carry:
                render = backend.render
                backend.render = lambda w, p, _, render=render: render(w, p, None)  # type: ignore[method-assign]
            clip, kept = Clip(), Collect()
            Session(clip, LocalLink(backend), [kept], RenderSettings, pacing=Pacing.FRAMELOCKED).run(lambda: False)
            borders = list(range(stride, FRAMES, stride))
            game = np.stack([f.rgb for f in clip.frames])
            print(f"{overlap:7}  {'yes' if carry else 'no':<6}  {np.mean(kept.seams):18.2f}  "
                  f"{border_ratio(np.stack(kept.photos), borders):6.2f} ({border_ratio(game, borders):.2f})")


if __name__ == "__main__":
    main()
