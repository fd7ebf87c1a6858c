"""Recording as the product sees it: where sessions go, what the page's buttons do, what the status says."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from capture.frame import Frame
from capture.recording.layout import About
from capture.recording.recorder import Recorder, RecorderStatus
from capture.source import Pacing
from realmaster.config import Watching
from realmaster.outputs.provenance import brief
from realmaster.stream.sink import Shown
from realmaster.stream.stats import Stats


class Recording:
    """A `Sink` that records photoreal pictures, and a tap that records the game's frames."""

    def __init__(self, settings: Watching) -> None:
        framelocked = settings.pacing is Pacing.FRAMELOCKED and settings.origin.startswith("engine:")
        about = About(source=settings.origin, pacing=settings.pacing.value, clock="game" if framelocked else "capture",
                      settings=brief(settings))
        self.folder = settings.sessions
        self._recorder = Recorder(about, lossless=framelocked, replay_seconds=settings.replay_seconds,
                                  replay_bytes=settings.replay_mb << 20)

    def tap(self, frame: Frame) -> None:
        """A frame of the game, as it was read."""
        self._recorder.take(frame)

    def show(self, shown: Shown, stats: Stats) -> None:
        """See `Sink.show`."""
        if shown.photo is not None:
            self._recorder.take_photo(shown.frame.t_capture_ns, shown.photo)

    def start(self, path: Path | None = None) -> None:
        """Begins a recording, at a place named by the time if none is given."""
        self._recorder.start(path or self._new_path("take"), numbered=path is None)

    def toggle(self) -> None:
        """The page's record button."""
        if self.active:
            self._recorder.stop()
        else:
            self.start()

    def save_replay(self) -> None:
        """The page's "save the last seconds"."""
        self._recorder.save_replay(self._new_path("replay"), numbered=True)

    def _new_path(self, what: str) -> Path:
        return self.folder / f"{what}-{datetime.now().astimezone():%Y-%m-%d-%H%M%S}"

    @property
    def active(self) -> bool:
        """Whether a recording was begun, and neither stopped nor ended by an error."""
        return self._recorder.active

    @property
    def failed(self) -> bool:
        """Whether a recording was ended by an error."""
        return not self.active and bool(self.status.error)

    @property
    def status(self) -> RecorderStatus:
        """How things stand."""
        return self._recorder.status

    def close(self) -> None:
        """See `Sink.close`: makes the session whole."""
        self._recorder.close()

    def summary(self) -> str:
        """What was recorded, for the end."""
        return self.status.error or (f"recorded {self.status.saved}" if self.status.saved else "")
