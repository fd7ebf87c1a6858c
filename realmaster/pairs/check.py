"""Checks a dataset that is there: every file as it was written, every pair as aligned as it claims."""

from __future__ import annotations

from capture.errors import CaptureError
from capture.frame import Kind
from realmaster.errors import UserError
from realmaster.pairs import align
from realmaster.pairs.dataset import CLIPS, Clip, Dataset, checksums
from realmaster.pairs.settings import PairsCheck

SAME_DB = 0.05
"""By how much a figure that is measured again may differ from the one in the index, which is rounded to 0.01 dB."""


def check_clip(dataset: Dataset, clip: Clip) -> None:
    """Raises `UserError` or `CaptureError` if the clip's files changed or its halves do not line up.

    What each renderer hit, and how far, was measured while it was rendered, and cannot be again: the photograph's own
    depth is not kept. The index has these figures, and they are held to the limits; how well the motion vectors explain
    the photograph is measured again, and has to be what the index says.
    """
    found = checksums(dataset.folder / CLIPS / clip.name)
    changed = sorted(name for name, digest in clip.sha256.items() if found.get(name) != digest)
    if changed:
        raise UserError(f"{', '.join(changed)} changed or missing")
    pair = dataset.load(clip, (Kind.DEPTH, Kind.MOTION, Kind.NORMAL, Kind.OBJECT_ID))
    if pair.photoreal.shape != pair.rendered.shape or len(pair.rendered) != clip.frames:
        raise UserError("the two halves differ in size")
    clip.alignment.check()
    gain, still = align.explained(list(pair.photoreal), list(pair.buffers[Kind.MOTION]))
    told = clip.alignment
    if abs(gain - told.warp_gain_db) > SAME_DB or abs(still - told.still_db) > SAME_DB:
        raise UserError(f"its motion explains the photograph by {gain:.2f} dB over {still:.2f}, the index says "
                        f"{told.warp_gain_db:.2f} over {told.still_db:.2f}: they are not of the same rendering")


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
