"""Copies pairs into the role folders of Lightricks' LTX trainer.

    videos/NAME.mp4  references/NAME.mp4  dataset.json: [{"caption", "video", "reference_video"}, ...]

The target is the photograph, the reference the game. Its rules (packages/ltx-trainer of Lightricks/LTX-2,
docs on dataset preparation): frames 8k+1, width and height multiples of 32, both files of one length.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from capture.video.encode import write_clip
from realmaster.errors import UserError
from realmaster.pairs.dataset import Dataset
from realmaster.pairs.settings import PairsExport


def _write_video(path: Path, frames: NDArray[np.uint8], size: tuple[int, int], fps: float) -> None:
    scaled = (np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8) for picture in frames)
    write_clip(path, scaled, fps, {"crf": "8", "preset": "medium"})


def export(settings: PairsExport) -> None:
    """Writes the split. Raises `UserError` if the size or length is not one that the trainer takes."""
    if (settings.frames - 1) % 8 or any(side % 32 for side in settings.size):
        raise UserError(f"the trainer wants 8k+1 frames and sides that are multiples of 32, not {settings.frames} of "
                        f"{settings.size[0]}x{settings.size[1]}")
    dataset = Dataset(settings.data)
    if dataset.card.frames < settings.frames:
        raise UserError(f"the clips have {dataset.card.frames} frames: "
                        f"take --frames {(dataset.card.frames - 1) // 8 * 8 + 1}")
    for role in ("videos", "references"):
        (settings.out / role).mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, str]] = []
    for clip in dataset.split(settings.split):
        pair = dataset.load(clip)
        row = {"caption": clip.caption, "video": f"videos/{clip.name}.mp4",
               "reference_video": f"references/{clip.name}.mp4"}
        for key, frames in (("video", pair.photoreal), ("reference_video", pair.rendered)):
            _write_video(settings.out / row[key], frames[:settings.frames], settings.size, dataset.card.fps)
        rows.append(row)
    (settings.out / "dataset.json").write_bytes(msgspec.json.format(msgspec.json.encode(rows)))
    print(f"{settings.out}: {len(rows)} pairs")
