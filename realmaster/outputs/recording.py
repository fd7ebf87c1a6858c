"""Records live sessions: starts and stops the recorder by the page's buttons, and gives its status."""

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
    """A `Sink` that records photoreal pictures. Its `tap` records the game's frames."""

    def __init__(self, settings: Watching) -> None:
        framelocked = settings.pacing is Pacing.FRAMELOCKED and settings.origin.startswith("engine:")
        about = About(source=settings.origin, pacing=settings.pacing.value, clock="game" if framelocked else "capture",
                      settings=brief(settings))
        self.folder = settings.sessions
        self._recorder = Recorder(about, lossless=framelocked, replay_seconds=settings.replay_seconds,
                                  replay_bytes=settings.replay_mb << 20)

    def tap(self, frame: Frame) -> None:
        """Records a frame of the game, as it was read."""
        self._recorder.take(frame)

    def show(self, shown: Shown, stats: Stats) -> None:
        """See `Sink.show`."""
        if shown.photo is not None:
            self._recorder.take_photo(shown.frame.t_capture_ns, shown.photo)

    def start(self, path: Path | None = None) -> None:
        """Begins a recording in the folder `path`; by default its name is made from the time."""
        self._recorder.start(path or self._new_path("take"), numbered=path is None)

    def toggle(self) -> None:
        """Stops the recording if one is active, else begins one. The page's record button calls it."""
        if self.active:
            self._recorder.stop()
        else:
            self.start()

    def save_replay(self) -> None:
        """Saves the last seconds as a session. The page's button "save the last seconds" calls it."""
        self._recorder.save_replay(self._new_path("replay"), numbered=True)

    def _new_path(self, what: str) -> Path:
        return self.folder / f"{what}-{datetime.now().astimezone():%Y-%m-%d-%H%M%S}"

    @property
    def active(self) -> bool:
        """Whether a recording is running: it was begun, and neither stopped nor ended by an error."""
        return self._recorder.active

    @property
    def failed(self) -> bool:
        """Whether a recording was ended by an error."""
        return not self.active and bool(self.status.error)

    @property
    def status(self) -> RecorderStatus:
        """The status of the recorder."""
        return self._recorder.status

    def close(self) -> None:
        """See `Sink.close`. Completes the recorded session."""
        self._recorder.close()

    def summary(self) -> str:
        """One line for the user after the end: what was recorded, or the error; empty if nothing was."""
        return self.status.error or (f"recorded {self.status.saved}" if self.status.saved else "")
