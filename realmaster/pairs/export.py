"""Copies pairs into the role folders of Lightricks' LTX trainer.

    videos/NAME.mp4  references/NAME.mp4  dataset.json: [{"caption", "video", "reference_video"}, ...]

The target is the photograph, the reference the game. Its rules (packages/ltx-trainer of Lightricks/LTX-2,
docs on dataset preparation): frames 8k+1, width and height multiples of 32, both files of one length. Pictures keep
their aspect: what another shape has no room for is cut off at the sides, alike in both.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from capture.video.encode import write_clip
from realmaster.errors import UserError
from realmaster.guides.pictures import fit, place
from realmaster.pairs.dataset import Dataset
from realmaster.pairs.settings import PairsExport

MULTIPLE = 32


def cover(picture: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """The middle of a picture (H, W, 3) that has the shape of `size` (width, height), scaled to it."""
    rows, columns = place(size, (picture.shape[1], picture.shape[0]))
    return fit(np.ascontiguousarray(picture[rows, columns]), *size)


def export(settings: PairsExport) -> None:
    """Writes the split. Raises `UserError` if the size or length is not one that the trainer takes."""
    dataset = Dataset(settings.data)
    card = dataset.card
    width, height = settings.size or (card.width // MULTIPLE * MULTIPLE, card.height // MULTIPLE * MULTIPLE)
    if (settings.frames - 1) % 8 or width % MULTIPLE or height % MULTIPLE or not width or not height:
        raise UserError(f"the trainer wants 8k+1 frames and sides that are multiples of {MULTIPLE}, not "
                        f"{settings.frames} of {width}x{height}")
    if card.frames < settings.frames:
        raise UserError(f"the clips have {card.frames} frames: take --frames {(card.frames - 1) // 8 * 8 + 1}")
    for role in ("videos", "references"):
        (settings.out / role).mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, str]] = []
    for clip in dataset.split(settings.split):
        pair = dataset.load(clip)
        row = {"caption": clip.caption, "video": f"videos/{clip.name}.mp4",
               "reference_video": f"references/{clip.name}.mp4"}
        for key, frames in (("video", pair.photoreal), ("reference_video", pair.rendered)):
            pictures = (cover(picture, (width, height)) for picture in frames[:settings.frames])
            write_clip(settings.out / row[key], pictures, card.fps, {"crf": "8", "preset": "medium"})
        rows.append(row)
    (settings.out / "dataset.json").write_bytes(msgspec.json.format(msgspec.json.encode(rows)))
    kept = min(width / card.width, height / card.height) / max(width / card.width, height / card.height)
    print(f"{settings.out}: {len(rows)} pairs of {width}x{height}"
          + (f", the middle {kept:.0%} of each picture of {card.width}x{card.height}" if kept < 1 else ""))
