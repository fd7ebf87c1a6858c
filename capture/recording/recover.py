"""Repairs an interrupted or damaged session: keeps the frames of which every buffer can be decoded.

What is good is copied, packet by packet and unchanged, into a new folder (`mend.py`), which is read back before it gets
its name. Only then an unfinished `.part` goes away, and only if it holds no more than a crash spoils: the last moment.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from capture.errors import CaptureError
from capture.recording.folder import FolderLock, absolute, part_of, remove
from capture.recording.layout import PART
from capture.recording.mend import write
from capture.recording.scan import Scan


@dataclass(frozen=True)
class Recovered:
    """The result of a repair: numbers of frames, and paths.

    `missing` is the number that a reader of `path` counts; it includes the frames lost during recording. `lost` is that
    number without the frames after the last one that the session itself reports. `left` is the path of the original, if
    it was kept.
    """

    kept: int
    lost: int
    missing: int
    rebuilt: int
    photos: int
    path: Path
    left: Path | None = None


def recover(path: Path, progress: Callable[[str], None] = lambda _: None) -> Recovered:
    """Repairs the session `path`, which may be a `.part`.

    Raises:
        CaptureError: it is no session, it is in use, or the copy cannot be written.
    """
    path = absolute(path)
    folder = path if path.is_dir() else part_of(path)
    if not folder.is_dir():
        raise CaptureError(f"there is no session at {path}")
    if folder != part_of(folder):
        return _recover(folder, folder.with_name(folder.name + "-recovered"), progress)
    lock = FolderLock(folder)
    try:
        return _recover(folder, folder.with_name(folder.name.removesuffix(PART)), progress)
    finally:
        lock.release()


def _recover(path: Path, target: Path, progress: Callable[[str], None]) -> Recovered:
    scan = Scan(path, progress)
    good, shown = scan.good(), sum(len(times) for times in scan.photos.values())
    lost = good.missing - scan.index.told_after
    if not good.entries:
        return Recovered(0, good.missing, good.missing, 0, shown, path)
    unfinished = path.name.endswith(PART)
    if scan.whole and not unfinished:
        return Recovered(len(good.entries), lost, good.missing, 0, shown, path)
    write(good, target)
    left = None if unfinished and not scan.more_is_lost and remove(path) else path
    return Recovered(len(good.entries), lost, good.missing, scan.rebuilt, shown, target, left)
