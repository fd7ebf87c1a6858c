"""Copies the good frames of a session into a new folder, checks the copy, and then gives it its name."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import msgspec

from capture.errors import CaptureError
from capture.recording.folder import FolderLock, own_file, remove
from capture.recording.layout import ABOUT, INDEX, PHOTO, End, Entry, Section, encode_line, track_file
from capture.recording.scan import Good
from capture.session import SessionSource
from capture.video.files import VideoError
from capture.video.tracks import copy_track, times

MENDING = ".mending"


def write(good: Good, target: Path) -> None:
    """Copies the good frames to `target`. Raises `CaptureError` if that fails; then nothing has changed."""
    if os.path.lexists(target):
        raise CaptureError(f"{target} exists already: move it away, then recover again")
    mending = target.with_name(target.name + MENDING)
    lock = _begin(mending)
    try:
        _room(good, mending)
        _copy(good, mending)
        _read_back(good, mending)
        for file in mending.iterdir():
            _settle(file)
        mending.rename(target)
        _settle(target.parent)
    except (OSError, VideoError) as error:
        _clear(mending)
        full = "free some space and " if isinstance(error, VideoError) and error.full else ""
        raise CaptureError(f"cannot write {target}: {error}; {full}recover again, nothing is lost") from error
    except CaptureError:
        _clear(mending)
        raise
    finally:
        lock.release()


def _clear(mending: Path) -> None:
    with contextlib.suppress(OSError):  # the reason for the failure is reported already
        remove(mending)


def _begin(mending: Path) -> FolderLock:
    """Makes the folder. First removes what a killed `recover` has left of it."""
    try:
        if mending.is_dir() and not mending.is_symlink():
            lock = FolderLock(mending)
            gone = remove(mending)
            lock.release()
            if not gone:
                raise CaptureError(f"{mending} holds files that are no session's: move it away, then recover again")
        mending.mkdir()
    except OSError as error:
        raise CaptureError(f"cannot write {mending}: {error.strerror}; recover a copy in a folder that can be "
                           "written, nothing is lost") from error
    return FolderLock(mending)


def _room(good: Good, mending: Path) -> None:
    """Raises `CaptureError` if the disk has no space for the copy."""
    needed, free = sum(file.lstat().st_size for file in good.path.iterdir()), shutil.disk_usage(mending).free
    if needed > free:
        raise CaptureError(f"recovering takes {needed / 1e6:.0f} MB beside {good.path}, and {free / 1e6:.0f} are free: "
                           "free some space and recover again, nothing is lost")


def _parts(good: Good) -> Iterator[tuple[Section, Section, list[Entry]]]:
    """For each section with good frames: the section, the same section with its new number, and the frames."""
    by_section = groupby(good.entries, lambda entry: entry.section)
    for number, (old, entries) in enumerate(by_section):
        section = good.sections[old]
        yield (section, msgspec.structs.replace(section, number=number),
               [msgspec.structs.replace(entry, section=number) for entry in entries])


def _copy(good: Good, mending: Path) -> None:
    (mending / ABOUT).write_bytes(msgspec.json.format(msgspec.json.encode(good.about)))
    lines: list[Section | Entry | End] = []
    for old, new, entries in _parts(good):
        lines += [new, *entries]
        for name in old.buffers:
            copy_track(own_file(good.path, track_file(name, old.number)), mending / track_file(name, new.number),
                       {entry.pts for entry in entries})
    for number, shown in good.photos.items():
        if shown:
            copy_track(own_file(good.path, track_file(PHOTO, number)), mending / track_file(PHOTO, number), shown)
    lines.append(End(frames=len(good.entries), dropped=good.missing_after))
    (mending / INDEX).write_bytes(b"".join(encode_line(line) + b"\n" for line in lines))


def _read_back(good: Good, mending: Path) -> None:
    """Reads the copy as a session. Raises `CaptureError` unless it holds every good frame."""
    source = SessionSource(mending)
    try:
        index, parts = source.index, list(_parts(good))
        same = index.pts == [entry.pts for entry in good.entries] and index.missing == good.missing
        for _, section, entries in parts:
            for name in section.buffers:
                same = same and times(mending / track_file(name, section.number)).issuperset(e.pts for e in entries)
            for entry in (entries[0], entries[-1]):
                source.seek_frame(index.pts.index(entry.pts) if same else 0)
                same = same and source.read(0) is not None
    finally:
        source.close()
    if not same:
        raise CaptureError(f"the copy of {good.path} is not what was written: look whether the disk is well, then "
                           "recover again; nothing is lost")


def _settle(path: Path) -> None:
    """Makes the system write a file, or the names in a folder, to the disk (fsync)."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
