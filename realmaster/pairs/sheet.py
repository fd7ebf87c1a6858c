"""A contact sheet: of every clip the game's middle frame and its photograph."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from realmaster.errors import UserError
from realmaster.pairs.dataset import CONTACT, Clip, Dataset

COLUMNS = 4
MOST = 60
"""Clips on a sheet, spread over all of them."""


def _cell(dataset: Dataset, clip: Clip) -> NDArray[np.uint8]:
    pair = dataset.load(clip)
    middle = len(pair.rendered) // 2
    picture = np.concatenate([pair.rendered[middle], pair.photoreal[middle]], 1)
    label = np.full((14, picture.shape[1], 3), 255, np.uint8)
    cv2.putText(label, f"{clip.name} {clip.split}", (2, 11), cv2.FONT_HERSHEY_SIMPLEX, 0.38, (0, 0, 0), 1, cv2.LINE_AA)
    return np.concatenate([label, picture])


def contact_sheet(dataset: Dataset) -> None:
    """Writes the dataset's contact.jpg."""
    if not dataset.clips:
        raise UserError(f"{dataset.folder} has no clips to show")
    picks = np.linspace(0, len(dataset.clips) - 1, min(MOST, len(dataset.clips))).astype(int)
    cells = [_cell(dataset, dataset.clips[i]) for i in picks]
    cells += [np.full_like(cells[0], 255)] * (-len(cells) % COLUMNS)
    rows = [np.concatenate(cells[i:i + COLUMNS], 1) for i in range(0, len(cells), COLUMNS)]
    cv2.imwrite(str(dataset.folder / CONTACT), np.concatenate(rows)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])
