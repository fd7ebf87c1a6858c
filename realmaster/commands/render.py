"""`realmaster render`: a video or a recorded session in, a photoreal video or pictures out."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

from bridge.client import BridgeClient
from bridge.contract import RenderSettings
from capture.constant import ConstantRateSource, exact_rate
from capture.frame import Frame
from capture.recording.folder import is_session
from capture.session import SessionSource
from capture.source import FileSource, Pacing
from capture.video.join import Film
from capture.video.sound import Sound
from capture.video.source import VideoSource
from realmaster.config import Look, Render
from realmaster.guides.regions import Regions
from realmaster.launch.sources import used
from realmaster.models.open import open_backend
from realmaster.outputs.open import check, open_output
from realmaster.outputs.output import Layout, Output
from realmaster.outputs.place import Place
from realmaster.outputs.provenance import brief, signature
from realmaster.outputs.status import ProgressSink
from realmaster.stream.link import LocalLink, Resumable
from realmaster.stream.resume import FILE, Progress, Saved, load, save
from realmaster.stream.session import Position, Session
from realmaster.stream.stitch import Piece
from realmaster.stream.workers import RayLink

SETTLE_FRAMES = 64
"""A killed render loses at most so many frames and a window."""


def render_settings(look: Look) -> RenderSettings:
    """The wire's form of `Look`."""
    return RenderSettings(strength=look.strength, steps=look.steps, seed=look.seed, prompt=look.prompt)


def run(settings: Render) -> int:
    """Renders every frame; the output appears under its name only when it is whole."""
    check(settings.output, settings.codec)
    source, sound, notes = _source(settings)
    film = Film(settings.codec, source.info.rate or Fraction(24), brief(settings), sound)
    output = open_output(settings.output, settings.input, Layout(settings.size, settings.side_by_side), film,
                         settings.overwrite)
    for note in (*notes, *output.notes):
        print(note)
    output.notes.clear()
    try:
        return _render(settings, source, output)
    finally:
        _tell(settings.output, output.place)


def _render(settings: Render, source: FileSource, output: Output) -> int:
    papers = signature(settings)
    saved = load(output.place.part, papers)
    link = _link(settings)
    keeper = _Keeper(output, papers, saved)
    look = render_settings(settings.look)
    total = source.frames_hint
    session = Session(source, link, [output, ProgressSink(total, keeper.settled_frames)], lambda: look,
                      pacing=Pacing.FRAMELOCKED, tap=keeper.first_frame, after_step=keeper.after_step,
                      regions=Regions(settings.look.keep, settings.look.only))
    if not isinstance(link, BridgeClient):
        keeper.attach(session, link, source)
    stats = session.run(stop=lambda: False, finish=output.finish)
    lost = sum(stats.dropped.values())
    print(f"{settings.output}: {stats.shown} frames from {settings.input}")
    for note in output.notes:
        print(note)
    if lost:
        print(f"{lost} frames of {settings.input} are missing: they could not be decoded, were lost in recording, or "
              "the file is cut off")
        return 3
    return 0


def _link(settings: Render) -> BridgeClient | Resumable:
    if settings.server:
        return BridgeClient(settings.server, "render", settings.key, settings.server_key)
    if settings.workers > 1:
        return RayLink(settings.model, settings.workers)
    return LocalLink(open_backend(settings.model))


def _tell(path: Path, place: Place) -> None:
    """After a run that was cut short: says how to go on, or clears up if there is nothing to go on with."""
    if (place.part / FILE).exists():
        print(f"what is rendered of {path} so far is safe: the same command goes on after it")
    else:
        place.clear()
    place.release()


def _source(settings: Render) -> tuple[FileSource, Sound | None, list[str]]:
    """The input, what is heard of it, and what the user should know of it."""
    source: FileSource
    sound, notes = None, list[str]()
    if is_session(settings.input):
        source = SessionSource(settings.input, settings.start, settings.stop, used(settings.look))
    else:
        source = VideoSource(settings.input, settings.start, settings.stop)
        sound, notes = source.sound, source.notes
    return (ConstantRateSource(source, exact_rate(settings.fps)) if settings.fps else source), sound, notes


class _Keeper:
    """Keeps a render's progress on disk, and takes it up again."""

    def __init__(self, output: Output, signature: str, saved: Saved | None) -> None:
        self.output, self.signature, self.saved = output, signature, saved
        self.settled, self.settled_frames, self.origin = 0, 0, 0
        if saved is not None:
            p = saved.progress
            self.settled, self.settled_frames, self.origin = p.settled, p.shown, p.origin_ns
            output.layout.size = p.size
            output.resume(p.shown, p.settled, p.origin_ns)
        self._session: Session | None = None
        self._link: Resumable | None = None

    def attach(self, session: Session, link: Resumable, source: FileSource) -> None:
        """Keeps the progress of `session`, and sets all three to where `saved` stood."""
        self._session, self._link = session, link
        if self.saved is None:
            return
        p = self.saved.progress
        count = len(self.saved.tail)
        source.skip(p.read - count)
        frames = [frame for _ in range(count) if (frame := source.read(0.0)) is not None]
        link.resume(p.segment, p.start, self.saved.carry)
        tail = Piece(p.segment, p.start, list(self.saved.tail))
        session.resume(Position(p.sequence, p.segment, p.start, tail), frames)
        session.stats.read, session.stats.shown = p.read, p.shown
        session.stats.dropped.update(p.dropped)
        print(f"going on after {p.shown} frames")

    def first_frame(self, frame: Frame) -> None:
        """Remembers when the first frame was."""
        if self._session is not None and self._session.stats.read == 0:
            self.origin = frame.t_capture_ns

    def after_step(self) -> None:
        """Settles now and then, where that is possible."""
        session, link = self._session, self._link
        if session is None or link is None or session.stats.shown - self.settled_frames < SETTLE_FRAMES:
            return
        session.settling = True
        position = session.position()
        if position is None:
            return
        session.settling = False
        self.output.settle()
        self.settled, self.settled_frames = self.settled + 1, session.stats.shown
        tail = np.stack(position.tail.frames) if position.tail else np.empty((0, 1, 1, 3), np.uint8)
        save(self.output.place.part, Saved(progress=Progress(
            signature=self.signature, read=session.stats.read, shown=session.stats.shown,
            dropped=dict(session.stats.dropped), sequence=position.sequence, segment=position.segment,
            start=position.start, settled=self.settled, origin_ns=self.origin,
            size=self.output.layout.size or (0, 0)), tail=tail, carry=link.carry))
