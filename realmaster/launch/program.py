"""Runs a game that has no RealMaster plugin as a child process, and finds out why it is not captured."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from engine_plugins.opengl.examine import explain, loads_opengl, unfit
from engine_plugins.opengl.launch import Launch
from engine_plugins.opengl.refusal import sentence
from realmaster.errors import UserError
from realmaster.launch import guardian
from realmaster.launch.child_output import Words, ending, last_words
from realmaster.stream.stats import Stats

log = logging.getLogger(__name__)
STEADY_SECONDS = 5.0
"""If a game fails sooner than this, the command ends with an error."""
LOADING_SECONDS = 4.0
"""If a game has shown no picture for this long, the reason is shown."""
FOLLOWED_SECONDS = 60.0
"""How long the processes that a launcher has left may take to show their first picture."""
LEFT_SECONDS = 4.0
"""The same if all processes that have shown pictures have ended, and no process left has loaded OpenGL."""
EXAMINE_SECONDS = 2.0
MOST_REPORTED = 2 << 20
"""The most bytes of the report that are read. The library writes at most half of that."""


@dataclass
class Report:
    """What the guardian and the library in the game report: see `guardian.py` and engine_plugins/opengl/report.h."""

    first: int = 0
    """The id of the process that was started; 0 if none was."""
    ended: dict[int, int] = field(default_factory=dict[int, int])
    """Exit statuses by process id."""
    loaded: dict[int, str] = field(default_factory=dict[int, str])
    """The names of the programs that have loaded the library, by process id."""
    shown: set[int] = field(default_factory=set[int])
    """The ids of the processes that have shown a picture with OpenGL."""
    refused: str = ""
    failed: str = ""

    @classmethod
    def read(cls, path: Path) -> Report:
        """Reads the report at `path` as it is now. A report that does not exist is empty."""
        report = cls()
        if not path.exists():
            return report
        with path.open("rb") as file:
            for line in file.read(MOST_REPORTED).decode(errors="surrogateescape").splitlines():
                report._take(*[*line.split(" ", 2), "", ""][:3])
        return report

    def _take(self, event: str, number: str, detail: str) -> None:
        if not number.isdecimal():
            return
        pid = int(number)
        match event:
            case "started":
                self.first = pid
            case "ended" if detail.lstrip("-").isdecimal():
                self.ended[pid] = int(detail)
            case "loaded":
                self.loaded[pid] = Path(detail).name
            case "swap":
                self.shown.add(pid)
            case "ring":
                self.failed = ""
            case "refused":
                self.refused = self.refused or detail
            case "failed":
                self.failed = detail
            case _:
                pass


class Program:
    """A game as a child process, see `Children.program`. A guardian starts it, see realmaster/launch/guardian.py."""

    def __init__(self, name: str, launch: Launch, folder: Path) -> None:
        self.name, self.launch, self.words, self.over = name, launch, Words(folder, "game"), False
        self.report_path = folder / "report"
        self.report, self.why, self.told = Report(), "", ""
        self.started, self.examined, self.left, self.well = time.monotonic(), 0.0, 0.0, False
        self.report_path.touch(0o600)
        additions = [f"{key}={value}" for key, value in launch.environment.items()]
        with self.words.open() as output:
            # Its standard input stays open as long as we live. In a session of its own it gets no Ctrl-C.
            self.guardian = subprocess.Popen(
                [sys.executable, "-I", "-S", guardian.__file__, str(folder), *additions, "--", *launch.arguments],
                stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)

    def check(self) -> None:
        """See `Child.check`. Raises `UserError` if the game is refused, fails soon, or ends without a picture."""
        self.words.bound()
        gone = self.guardian.poll() is not None  # asked first, so that the report is complete
        self.report = Report.read(self.report_path)
        if self.report.refused:
            raise UserError(sentence(self.report.refused))
        if gone or self._left_behind():
            self._end()
        elif not self.report.shown and time.monotonic() - max(self.started, self.examined) > EXAMINE_SECONDS:
            self.examined = time.monotonic()
            living = guardian.descendants(self.guardian.pid)
            self.why = explain(living, self.launch.library.name) or self.why
        self._tell(self._known())

    def _left_behind(self) -> bool:
        """Whether the game has ended, so that the processes that it or its launcher has left need not be waited for."""
        if self.report.first not in self.report.ended:
            return False
        now, shown, living = time.monotonic(), self.report.shown, guardian.descendants(self.guardian.pid)
        if not self.left or not shown.isdisjoint(living):
            self.left = now
        # A launcher with a window may draw with OpenGL, too, before the game that it starts does.
        may_draw = not shown or any(loads_opengl(pid) for pid in living)
        return now - self.left > (FOLLOWED_SECONDS if may_draw else LEFT_SECONDS)

    def _status(self) -> int:
        """The game's exit status: that of the process that was started, or if it is 0, of one that showed pictures."""
        ended = self.report.ended
        shown = [ended[pid] for pid in self.report.shown if pid in ended]
        return ended.get(self.report.first, 0) or next((status for status in shown if status), 0) or (
            self.guardian.poll() or 0)

    def _end(self) -> None:
        self.over = True
        status, said = self._status(), self.words.quote()
        what = f"{self.name} {ending(status)}"
        if self.report.first == 0 and self.report.failed:
            raise UserError(f"{self.name} cannot be started: {self.report.failed}")
        if self.report.failed:
            raise UserError(f"{what}, and was not captured: {self.report.failed}")
        if not self.report.shown:
            why = self.why or unfit(Path(self.launch.arguments[0]))
            because = f": {why}" if why else last_words(said)
            raise UserError(f"{what} without having shown a picture with OpenGL{because}")
        if status and time.monotonic() - self.started < STEADY_SECONDS:
            raise UserError(what + last_words(said))
        if status:
            log.warning("%s%s", what, last_words(said))

    def _known(self) -> str:
        """Why the game is not captured, if that is known; empty if it is captured or may still be loading."""
        if self.report.failed:
            return f"{self.name} is not captured: {self.report.failed}"
        slow = time.monotonic() - self.started > LOADING_SECONDS
        return self.why if slow and not self.report.shown else ""

    def _tell(self, trouble: str) -> None:
        """Writes a trouble into the log, unless it is the one written last."""
        if trouble and trouble != self.told:
            log.warning("%s", trouble)
        self.told = trouble

    def explain(self, stats: Stats) -> str:
        """See `Child.explain`."""
        self.well = self.well or not stats.source
        known = self._known()
        if self.well or known:
            return known
        seconds = time.monotonic() - self.started
        if self.report.shown:
            return f"{self.name} shows its first pictures"
        return f"{self.name} is starting ({seconds:.0f} s){self.words.meanwhile(seconds > LOADING_SECONDS)}"

    def stop(self) -> None:
        """See `Child.stop`. Also removes the game's rings."""
        if self.guardian.poll() is None:
            self.guardian.terminate()
            try:
                self.guardian.wait(3 * guardian.STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.guardian.kill()
                self.guardian.wait(guardian.STOP_SECONDS)
        if self.guardian.stdin is not None:
            self.guardian.stdin.close()
        left = guardian.end(lambda: guardian.marked(self.report_path))  # needed if the guardian was killed
        if left:
            log.warning("%s is left running and cannot be ended: %s", self.name, ", ".join(map(str, sorted(left))))
        guardian.remove_rings(self.report_path)
