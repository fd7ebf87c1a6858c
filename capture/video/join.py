"""Makes one video of its pieces, packets unchanged, with the sound that belongs to it."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from operator import itemgetter
from pathlib import Path
from typing import Any

from capture.video.encode import CODECS, TICK, tag
from capture.video.files import VideoError, open_to_read, open_to_write, told
from capture.video.sound import Sound, Timed

FORMATS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska"}
FITTING = {".mp4": ("h264", "h265"), ".mov": ("prores", "h264", "h265"), ".mkv": ("ffv1", "h264", "h265", "prores")}
"""Codecs that go into a file with this suffix; the first one is what it is made with unless told."""


@dataclass(frozen=True)
class Film:
    """What a video is apart from its pictures: its codec (see `CODECS`), about how many frames a second, a comment on
    how it was made, and its sound."""

    codec: str
    rate: Fraction
    comment: str
    sound: Sound | None


def join(pieces: Sequence[Path], target: Path, film: Film) -> list[str]:
    """Writes `target`, whose suffix tells the format, from pieces of the codec and of one size.

    Returns what of the sound is left out, a sentence each. Raises `VideoError`.
    """
    container_format = FORMATS[target.suffix]
    with open_to_write(target, container_format) as out, ExitStack() as opened, told():
        out.av.metadata["comment"] = film.comment
        first = opened.enter_context(open_to_read(pieces[0]))
        stream: Any = out.av.add_stream_from_template(first.av.streams.video[0], opaque=True)
        stream.time_base = TICK
        tag(stream, CODECS[film.codec].pixel_format)
        if film.codec == "h265" and container_format in ("mp4", "mov"):
            stream.codec_context.codec_tag = "hvc1"  # parameter sets in the header alone: Apple's players take no other
        tracks, left_out = film.sound.tracks(out.av, container_format, opened) if film.sound else ([], [])
        for _, packet in heapq.merge(_pictures(pieces, stream, film.rate), *tracks, key=itemgetter(0)):
            out.av.mux(packet)
    return left_out


def _pictures(pieces: Sequence[Path], stream: Any, rate: Fraction) -> Iterator[Timed]:
    """The packets of all pieces, each as long as it lasts until the next one."""
    waiting: Any = None
    for piece in pieces:
        with open_to_read(piece) as source:
            for packet in source.av.demux(video=0):
                if packet.pts is None:
                    continue
                if waiting is not None:
                    waiting.duration = round((packet.pts * packet.time_base - _seconds(waiting)) / waiting.time_base)
                    yield _seconds(waiting), waiting
                waiting, packet.stream = packet, stream
    if waiting is not None:
        waiting.duration = round(1 / rate / waiting.time_base)
        yield _seconds(waiting), waiting


def _seconds(packet: Any) -> Fraction:
    return Fraction(packet.pts * packet.time_base)


def pictures_in(path: Path) -> int:
    """How many pictures a video holds. Raises `VideoError` if it cannot be read."""
    with open_to_read(path) as file, told():
        if not file.av.streams.video:
            raise VideoError("it has no pictures")
        return sum(packet.size > 0 for packet in file.av.demux(video=0))
