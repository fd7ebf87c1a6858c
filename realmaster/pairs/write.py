"""Writes a pair as a recorded session: the game's frames with every buffer, and the photographs."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from capture.recording.layout import About, entry_of
from capture.recording.tracks import FrameCoder, PhotoCoder
from capture.recording.writer import SessionWriter
from capture.video.tracks import LOSSLESS_RGB
from engine_plugins.demo_game.frames import to_frame
from engine_plugins.demo_game.raster import GBuffer
from realmaster.pairs.plan import FPS


def newcomers(object_ids: list[NDArray[np.uint32]]) -> dict[str, int]:
    """Objects that are not in the first frame, and the frame in which each first covers a thousandth of the picture."""
    entered: dict[str, int] = {}
    there = set(np.unique(object_ids[0]).tolist())
    for i, ids in enumerate(object_ids):
        values, counts = np.unique(ids, return_counts=True)
        for value, count in zip(values.tolist(), counts.tolist(), strict=True):
            if value not in there and str(value) not in entered and count > ids.size / 1000:
                entered[str(value)] = i
    return entered


def write_pair(path: Path, source: str, start: float, drawn: list[GBuffer], photos: list[NDArray[np.uint8]]) -> None:
    """Writes the session `path`. `drawn` and `photos` (H, W, 3) u8 are its frames; `start` is game time in seconds."""
    for left in (path, path.with_name(path.name + ".part")):
        shutil.rmtree(left, ignore_errors=True)  # of a run that was killed before it could write the index
    writer = SessionWriter(path, About(source=source, pacing="framelocked", clock="game"))
    frames, pictures = FrameCoder(), PhotoCoder(LOSSLESS_RGB)
    for i, (buffers, photo) in enumerate(zip(drawn, photos, strict=True)):
        pts = round(i * 1000 / FPS)
        frame = to_frame(buffers, i, start + i / FPS, 1 / FPS, cut=i == 0)
        writer.write(frames.code(entry_of(frame, pts, 0), frame.buffers))
        writer.write(pictures.code(photo, pts))
    writer.close()
