"""Joins the pieces of a video without encoding them again, and adds its sound."""

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
"""The codecs that fit a file with this suffix. The first one is the default."""


@dataclass(frozen=True)
class Film:
    """Facts about a video: its codec (see `CODECS`), its frames per second (about), a comment on how it was made, and
    its sound."""

    codec: str
    rate: Fraction
    comment: str
    sound: Sound | None


def join(pieces: Sequence[Path], target: Path, film: Film) -> list[str]:
    """Joins pieces of one codec and one size into the file `target`, whose suffix gives the format.

    Returns one sentence for each part of the sound that is left out. Raises `VideoError` if joining fails.
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
    """The packets of all pieces. Each gets its duration, until the next packet."""
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
    """The number of pictures in a video. Raises `VideoError` if it cannot be read."""
    with open_to_read(path) as file, told():
        if not file.av.streams.video:
            raise VideoError("it has no pictures")
        return sum(packet.size > 0 for packet in file.av.demux(video=0))
