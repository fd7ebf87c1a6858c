"""`realmaster check-plugin`: what is wrong with the buffers of a running game."""

from __future__ import annotations

import time

from capture.engine import EngineSource
from capture.errors import SourceEnded
from capture.frame import Frame
from capture.source import Pacing
from realmaster.config import CheckPlugin
from realmaster.errors import UserError
from realmaster.guides.probe import examine

MOST_FRAMES = 240
"""Frames kept to look at, at most: beyond them the watch ends early."""


def run(settings: CheckPlugin) -> int:
    """Watches, then prints what it saw; exit status 1 if something is wrong."""
    source = EngineSource(settings.ring, Pacing.GENLOCKED)  # every frame, but never in the way of who keeps in step
    try:
        frames = _watch(source, settings.seconds)
    finally:
        source.close()
    if len(frames) < 2:
        raise UserError(f"{settings.ring} gave {len(frames)} frames in {settings.seconds:g} s: let the game run")
    first = frames[0]
    buffers = ", ".join(kind.name.lower() for kind in first.buffers)
    print(f"{settings.ring}: {len(frames)} frames of {first.size[0]}x{first.size[1]}, {buffers}"
          f"{', camera' if first.camera else ''}")
    seen = examine(frames)
    for name, value in seen.figures.items():
        print(f"  {name}: {value:.3g}")
    for finding in sorted(seen.findings, key=lambda f: not f.wrong):
        print(f"{'WRONG' if finding.wrong else 'note'}: {finding.about}: {finding.text}")
    faults = sum(finding.wrong for finding in seen.findings)
    print(f"{faults} thing{'s' if faults > 1 else ''} wrong" if faults else "nothing wrong")
    return int(faults > 0)


def _watch(source: EngineSource, seconds: float) -> list[Frame]:
    frames: list[Frame] = []
    until = time.monotonic() + seconds
    while time.monotonic() < until and len(frames) < MOST_FRAMES:
        try:
            frame = source.read(0.1)
        except SourceEnded:
            break
        if frame is not None:
            frames.append(frame)
    return frames
