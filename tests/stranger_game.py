"""A game that knows nothing of RealMaster: a walk in a bamboo forest that comes with Panda3D, and a score.

`python -m tests.stranger_game [FRAMES]`; time runs by frames, as fast as they are drawn, and after FRAMES it ends.
"""

from __future__ import annotations

import math
import sys
from typing import Any

from direct.gui.OnscreenText import OnscreenText
from direct.showbase.ShowBase import ShowBase
from panda3d.core import loadPrcFileData

SETTINGS = "window-type onscreen\nload-display pandagl\nwin-size 640 360\naudio-library-name null\nsync-video 0\n"


def main() -> None:
    """Walks in a circle until it is ended."""
    loadPrcFileData("", SETTINGS)
    game: Any = ShowBase()
    game.disableMouse()
    last = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    OnscreenText(text="SCORE 123", pos=(-1, 0.8), scale=0.15, fg=(1, 1, 0, 1))
    forest = game.loader.loadModel("models/environment")
    forest.setScale(0.25)
    forest.setPos(-8, 42, 0)
    forest.reparentTo(game.render)
    frame = 0

    def walk(task: Any) -> Any:
        nonlocal frame
        angle = 0.4 * frame / 30
        game.camera.setPos(10 * math.sin(angle), -10 * math.cos(angle), 3)
        game.camera.setHpr(math.degrees(angle), 0, 0)
        frame += 1
        if last and frame > last:
            game.userExit()
        return task.cont

    game.taskMgr.add(walk, "walk")
    game.run()


if __name__ == "__main__":
    main()
