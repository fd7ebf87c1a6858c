"""Makes docs/minute.mp4: ten seconds each of six held-out worlds, the game on the left, RealMaster's on the right.

`python scripts/minute.py`; takes about three minutes on two cores.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from bridge.contract import RenderSettings
from capture.video.encode import write_clip
from engine_plugins.demo_game.raster import Rasteriser
from engine_plugins.demo_game.scene import SHOT_SECONDS
from engine_plugins.demo_game.worlds import WORLDS
from realmaster.config import Model
from realmaster.evaluation.stream import stream
from realmaster.models.open import open_backend
from realmaster.pairs.plan import PRESETS, plan

FPS = 24
OUT = Path(__file__).parents[1] / "docs" / "minute.mp4"


def main() -> None:
    """Renders, joins and writes."""
    backend = open_backend(Model())
    parts: list[np.ndarray] = []
    for number, clip in enumerate(plan(PRESETS["test"])[:6]):
        game = Rasteriser(WORLDS[clip.world](clip.seed), backend.spec.width, backend.spec.height)
        times = number * SHOT_SECONDS + np.arange(round(SHOT_SECONDS * FPS)) / FPS
        video = np.stack([game.render(t, 1 / FPS).colour[..., :3] for t in times])
        photos = np.stack(stream(backend, video, RenderSettings(strength=1.0, steps=1, seed=0)).photos)
        parts.append(np.concatenate([video, photos], 2))
        print(clip.name)
    write_clip(OUT, np.concatenate(parts), FPS, {"crf": "27"}, 2)
    picture = np.concatenate([part[len(part) // 2] for part in parts[:3]])
    cv2.imwrite(str(OUT.with_suffix(".jpg")), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])


if __name__ == "__main__":
    main()
