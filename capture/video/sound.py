"""Copies the sound of a video into another one. It is encoded as AAC if the codec does not fit the new file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error

from capture.video.files import open_to_read
from capture.video.times import Timeline

COPIED = {"mp4": {"aac", "ac3", "alac", "eac3", "flac", "mp3", "opus"},
          "mov": {"aac", "ac3", "alac", "eac3", "mp3", "pcm_f32le", "pcm_s16be", "pcm_s16le", "pcm_s24le"}}
"""The codecs that players expect in a format. Matroska takes all that FFmpeg can write into it."""
AAC_RATES = {8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000}
LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1", 8: "7.1"}
"""The layouts of AAC by the number of channels. Any other number is mixed to two channels."""
BITS_PER_CHANNEL = 96_000
PAUSE = Fraction(1, 20)
USUAL_PACKET = Fraction(1024, 48_000)
Timed = tuple[Fraction, Any]
"""The time of a packet, in seconds, and the packet."""


@dataclass(frozen=True)
class Sound:
    """All sound tracks of the file `path` from `start` to `stop`, in seconds of the file's time (None: its end)."""

    path: Path
    start: Fraction
    stop: Fraction | None

    def tracks(self, target: Any, container_format: str, opened: ExitStack) -> tuple[list[Iterator[Timed]], list[str]]:
        """Adds the tracks to the PyAV container `target`. Returns the packets of each, and notes on what is left out.

        Raises `VideoError` if the file is gone.
        """
        packets: list[Iterator[Timed]] = []
        left_out: list[str] = []
        count = len(opened.enter_context(open_to_read(self.path)).av.streams.audio)
        for number in range(count):
            source: Any = opened.enter_context(open_to_read(self.path)).av.streams.audio[number]
            if source.codec_context is None:
                left_out.append(f"sound track {number + 1} of {self.path.name} is left out: its codec is unknown here")
            elif source.codec_context.codec.canonical_name in COPIED.get(container_format, target.supported_codecs):
                packets.append(self._copied(source, target.add_stream_from_template(source, opaque=True)))
            else:
                packets.append(self._encoded(source, *_aac(source, target)))
        return packets, left_out

    def _placed(self, source: Any) -> Iterator[Timed]:
        """The packets of a stream in the range, up to the first damage."""
        container = source.container
        times = Timeline(container.format.name, USUAL_PACKET)
        packets = container.demux(source)
        while True:
            try:
                packet = next(packets, None)
            except (av.error.FFmpegError, OSError):
                return
            if packet is None or not packet.size:
                return
            seconds = times.place(packet.pts if packet.pts is not None else packet.dts, packet.time_base)
            if self.stop is not None and seconds >= self.stop:
                return
            if seconds >= self.start:
                yield seconds - self.start, packet

    def _copied(self, source: Any, stream: Any) -> Iterator[Timed]:
        for seconds, packet in self._placed(source):
            packet.pts = packet.dts = round(seconds / packet.time_base)
            packet.stream = stream
            yield seconds, packet

    def _encoded(self, source: Any, stream: Any, resampler: Any) -> Iterator[Timed]:
        at = Fraction(0)
        for seconds, packet in self._placed(source):
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                continue
            at = seconds if seconds > at + PAUSE else at  # stamps are rounded, samples are not
            for frame in frames:
                frame.time_base = Fraction(1, frame.sample_rate)
                frame.pts = round(at * frame.sample_rate)
                at += Fraction(frame.samples, frame.sample_rate)
                yield from _timed(out for part in resampler.resample(frame) for out in stream.encode(part))
        yield from _timed(out for part in resampler.resample(None) for out in stream.encode(part))
        yield from _timed(stream.encode(None))


def _aac(source: Any, target: Any) -> tuple[Any, Any]:
    """Adds an AAC stream, and makes the resampler that converts the sound of `source` for it."""
    rate = source.codec_context.sample_rate
    rate = rate if rate in AAC_RATES else 48_000
    channels = source.codec_context.layout.nb_channels
    layout = LAYOUTS.get(channels, "stereo")
    stream = target.add_stream("aac", rate=rate)
    stream.codec_context.layout = layout
    stream.codec_context.bit_rate = BITS_PER_CHANNEL * channels
    stream.codec_context.time_base = Fraction(1, rate)
    return stream, av.AudioResampler(format="fltp", layout=layout, rate=rate)


def _timed(packets: Any) -> Iterator[Timed]:
    for packet in packets:
        yield packet.pts * packet.time_base, packet
