"""Checks a dataset that is there: every file as it was written, every pair as aligned as it claims."""

from __future__ import annotations

import numpy as np

from capture.errors import CaptureError
from capture.frame import Kind
from realmaster.errors import UserError
from realmaster.pairs import align
from realmaster.pairs.dataset import CLIPS, Clip, Dataset, checksums
from realmaster.pairs.settings import PairsCheck


def check_clip(dataset: Dataset, clip: Clip) -> None:
    """Raises `UserError` or `CaptureError` if the clip's files changed or its halves do not line up."""
    found = checksums(dataset.folder / CLIPS / clip.name)
    changed = sorted(name for name, digest in clip.sha256.items() if found.get(name) != digest)
    if changed:
        raise UserError(f"{', '.join(changed)} changed or missing")
    pair = dataset.load(clip, (Kind.DEPTH, Kind.MOTION, Kind.NORMAL, Kind.OBJECT_ID))
    if pair.photoreal.shape != pair.rendered.shape or len(pair.rendered) != clip.frames:
        raise UserError("the two halves differ in size")
    # The photograph's own depth is not kept: the game's stands in for it, and motion and hits are what is checked.
    inverse = pair.buffers[Kind.DEPTH][..., 0]
    depth = np.divide(1, inverse, out=np.zeros(inverse.shape, np.float32), where=inverse > 0)
    align.measure(list(pair.photoreal), list(pair.buffers[Kind.MOTION]),
                  list(zip(inverse, depth, strict=True))).check()


def check(settings: PairsCheck) -> int:
    """Prints what is wrong; returns the exit status."""
    dataset = Dataset(settings.data)
    worlds: dict[tuple[str, int], str] = {}
    wrong = 0
    for clip in dataset.clips:
        try:
            if worlds.setdefault((clip.world, clip.seed), clip.split) != clip.split:
                raise UserError("its world is in another split, too")
            check_clip(dataset, clip)
        except (UserError, CaptureError, OSError) as error:
            wrong += 1
            print(f"{clip.name}: {error}")
    print(f"{settings.data}: {len(dataset.clips) - wrong} of {len(dataset.clips)} clips are as they should be")
    return int(wrong > 0)
