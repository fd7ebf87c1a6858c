"""`realmaster render`: a video file in, a photoreal video file out."""

from __future__ import annotations

from fractions import Fraction

from bridge.client import BridgeClient
from bridge.protocol import RenderSettings
from capture.source import Pacing
from capture.video import VideoSource
from realmaster.backends import open_backend
from realmaster.config import Look, Render, as_toml
from realmaster.link import LocalLink
from realmaster.session import Session
from realmaster.sinks import ProgressSink, VideoFile


def render_settings(look: Look) -> RenderSettings:
    """The wire's form of `Look`."""
    return RenderSettings(strength=look.strength, steps=look.steps, seed=look.seed)


def run(settings: Render) -> int:
    """Renders every frame; the output appears under its name only when it is whole."""
    source = VideoSource(settings.input)
    link = (BridgeClient(settings.server, "render", settings.key, settings.server_key) if settings.server
            else LocalLink(open_backend(settings.model)))
    video = VideoFile(settings.output, source.info.rate or Fraction(24), settings.side_by_side,
                      comment=as_toml(settings))
    look = render_settings(settings.look)
    session = Session(source, link, [video, ProgressSink(source.frames_hint)], lambda: look,
                      pacing=Pacing.FRAMELOCKED)
    stats = session.run(stop=lambda: False, finish=video.finish)
    lost = sum(stats.dropped.values())
    print(f"{settings.output}: {stats.shown} frames from {settings.input}")
    if lost:
        print(f"{lost} frames of {settings.input} could not be decoded and are missing")
        return 3
    return 0
