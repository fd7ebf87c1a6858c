"""Mends a session that was cut short or damaged: keeps each frame of which every buffer is there and decodes.

What is good is copied, packet by packet and unchanged, into a new folder; the old one goes away only
once the new one is whole, and only if it was an unfinished `.part`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from capture.errors import CaptureError
from capture.frame import FORMATS, Flags, Kind
from capture.recording.layout import (
    ABOUT,
    COLOURS,
    INDEX,
    MS,
    PART,
    PHOTO,
    About,
    End,
    Entry,
    Section,
    encode_line,
    track_file,
)
from capture.recording.reader import read_about, read_index
from capture.video.files import VideoError
from capture.video.tracks import copy_track, decodable, track_size

MENDING = ".mending"


@dataclass(frozen=True)
class Recovered:
    """What came of it: frames kept and lost, frames whose facts were rebuilt, and where they are now."""

    kept: int
    lost: int
    rebuilt: int
    photos: int
    path: Path


def recover(path: Path, progress: Callable[[str], None] = lambda _: None) -> Recovered:
    """Mends `path`, which may be a `.part`. Raises `CaptureError` if it is no session or cannot be written."""
    if not path.is_dir() and path.with_name(path.name + PART).is_dir():
        path = path.with_name(path.name + PART)
    if not path.is_dir():
        raise CaptureError(f"there is no session at {path}")
    about, index = _about(path), read_index(path)
    sections = index.sections or _guess_sections(path)
    good = {s.number: _good_pts(path, s, progress) for s in sections}
    entries = [index.entry(i) for i in range(len(index.pts))]
    known = {e.pts for e in entries}
    strays = [_bare_entry(pts, s.number, i) for s in sections for i, pts in enumerate(sorted(good[s.number] - known))]
    kept = sorted((e for e in entries + strays if e.pts in good[e.section]), key=lambda e: e.pts)
    lost, photos = len(entries) + len(strays) - len(kept), _photo_files(path)
    shown = sum(len(_decodable(file, progress)) for file in photos)
    if not kept:
        return Recovered(0, lost, 0, shown, path)
    whole = index.ended and not lost and not strays and not index.bad_lines
    if whole and not path.name.endswith(PART):
        return Recovered(len(kept), 0, 0, shown, path)
    target = path.with_name(path.name.removesuffix(PART) if path.name.endswith(PART) else path.name + "-recovered")
    _write(path, target, about, sections, kept, photos=photos)
    return Recovered(len(kept), lost, len(strays), shown, target)


def _about(path: Path) -> About:
    try:
        return read_about(path)
    except CaptureError:
        if not (path / track_file("color", 0)).exists():
            raise
        return About(source="unknown", pacing="unknown")


def _guess_sections(path: Path) -> list[Section]:
    """Sections from the files alone: their names tell the buffers, their widths the encodings."""
    sections: list[Section] = []
    while (path / track_file("color", len(sections))).exists():
        number = len(sections)
        width, height = track_size(path / track_file("color", number))
        buffers: dict[str, str] = {}
        for kind in Kind:
            file = path / track_file(kind.name.lower(), number)
            if file.exists():
                count = track_size(file)[0] // max(width, 1)
                buffers |= {kind.name.lower(): e.name for (k, e), (dtype, channels) in FORMATS.items()
                            if k is kind and (kind in COLOURS or channels * int(dtype[-1]) // 2 == count)}
        sections.append(Section(number=number, width=width, height=height, buffers=buffers))
    return sections


def _bare_entry(pts: int, section: int, i: int) -> Entry:
    """Facts for a frame whose line is lost: only its time is known. The first of a run says that it is a cut."""
    return Entry(pts=pts, section=section, frame_id=i, t_capture_ns=pts * MS, t_game=pts / 1000, dt=0.0,
                 flags=int(Flags.RESET if i == 0 else Flags.NONE), dropped=0, session_id=0, metres_per_unit=1.0,
                 camera=None)


def _good_pts(path: Path, section: Section, progress: Callable[[str], None]) -> set[int]:
    """Times at which every track of the section has a picture that decodes."""
    found = [_decodable(path / track_file(name, section.number), progress) for name in section.buffers]
    return set[int].intersection(*found) if found else set()


def _decodable(file: Path, progress: Callable[[str], None]) -> set[int]:
    progress(file.name)
    return decodable(file)


def _photo_files(path: Path) -> list[Path]:
    return sorted(path.glob(f"{PHOTO}*.mkv"))


def _write(path: Path, target: Path, about: About, sections: list[Section], kept: list[Entry], *,
           photos: list[Path]) -> None:
    """Copies the good parts into `target`, complete or not at all, and then removes an unfinished original."""
    if target.exists():
        raise CaptureError(f"{target} exists already: move it away, then recover again")
    mending = target.with_name(target.name + MENDING)
    shutil.rmtree(mending, ignore_errors=True)
    try:
        mending.mkdir()
        (mending / ABOUT).write_bytes(msgspec.json.format(msgspec.json.encode(about)))
        lines: list[Section | Entry | End] = []
        for section in sections:
            entries = [e for e in kept if e.section == section.number]
            if entries:
                lines += [section, *entries]
                for name in section.buffers:
                    file = track_file(name, section.number)
                    copy_track(path / file, mending / file, {e.pts for e in entries})
        for file in photos:
            copy_track(file, mending / file.name, _decodable(file, lambda _: None))
        (mending / INDEX).write_bytes(b"".join(encode_line(x) + b"\n" for x in (*lines, End(frames=len(kept)))))
        mending.rename(target)
    except (OSError, VideoError) as error:
        shutil.rmtree(mending, ignore_errors=True)
        raise CaptureError(f"cannot write {target}: {error}; free some space and recover again, "
                           "nothing is lost") from error
    if path.name.endswith(PART):
        shutil.rmtree(path)
