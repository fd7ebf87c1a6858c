"""Starts, watches, restarts and stops the child processes of `live`: the game and the server."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Literal, Protocol

from engine_plugins.opengl.launch import Launch
from realmaster.errors import UserError
from realmaster.launch.child_output import Words, ending, last_words
from realmaster.launch.program import Program
from realmaster.stream.stats import Stats

log = logging.getLogger(__name__)
STOP_SECONDS = 5.0
STEADY_SECONDS = 5.0
"""A child that crashes after this time is started again. If it crashes sooner, the session ends with an error."""
QUIET_SECONDS = 5.0
"""If a child gives nothing for this long, the last line of its output is shown."""
PR_SET_PDEATHSIG = 1


class Child(Protocol):
    """A process that a session depends on."""

    over: bool
    """Whether the process has ended and the session must end, too."""

    def check(self) -> None:
        """Checks the process. Call it about twice a second. Raises `UserError` if the session cannot go on."""
        ...

    def explain(self, stats: Stats) -> str:
        """One sentence on why the process gives nothing yet; empty if it works, or if only `stats` tells."""
        ...

    def stop(self) -> None:
        """Ends the process and all processes that it has started."""
        ...


class Children:
    """The child processes of one session. Their logs are in `folder`, the session's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._all: list[Child] = []

    def module(self, name: Literal["game", "server"], arguments: list[str]) -> None:
        """Starts a Python module of RealMaster, `python -m ARGUMENTS`. It is started again when it crashes."""
        self._all.append(Module(name, arguments, self.folder))

    def program(self, name: str, launch: Launch) -> None:
        """Starts a game that has no RealMaster plugin. The session ends with the game."""
        self._all.append(Program(name, launch, self.folder))

    def explain(self, stats: Stats) -> str:
        """See `Child.explain`."""
        return "; ".join(said for child in self._all if (said := child.explain(stats)))

    def check(self) -> None:
        """See `Child.check`."""
        for child in self._all:
            child.check()

    @property
    def over(self) -> bool:
        """Whether the session must end because a child has ended."""
        return any(child.over for child in self._all)

    def stop(self) -> None:
        """Stops all children, the last one first."""
        while self._all:
            self._all.pop().stop()


def _die_with_parent() -> None:
    """Asks Linux to end this child when its parent dies for any reason. On other systems it does nothing."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Module:
    """A Python module of RealMaster as a child process, see `Children.module`."""

    over = False

    def __init__(self, name: str, arguments: list[str], folder: Path) -> None:
        self.name, self.arguments, self.words = name, arguments, Words(folder, name)
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        self.started, self.well = time.monotonic(), False
        with self.words.open() as output:
            # In a session of its own it gets no Ctrl-C from the terminal: we stop the children in order.
            return subprocess.Popen([sys.executable, "-m", *self.arguments], stdout=output, stderr=subprocess.STDOUT,
                                    stdin=subprocess.DEVNULL, env={**os.environ, "PYTHONUNBUFFERED": "1"},
                                    start_new_session=True,
                                    preexec_fn=_die_with_parent)  # noqa: PLW1509  it makes one system call only

    def check(self) -> None:
        """See `Child.check`. Starts the module again if it crashed; raises `UserError` if it crashed soon."""
        self.words.bound()
        status = self.process.poll()
        if not status:
            return
        what = f"the {self.name} {ending(status)}"
        said = last_words(self.words.quote())
        if time.monotonic() - self.started < STEADY_SECONDS:
            raise UserError(what + said)
        log.warning("%s; starting it again%s", what, said)
        self.process = self._start()

    def explain(self, stats: Stats) -> str:
        """See `Child.explain`. Until the module first works: how long it has been starting, and its last output."""
        trouble = stats.source if self.name == "game" else stats.server
        self.well = self.well or not trouble
        if self.well:
            return ""
        seconds = time.monotonic() - self.started
        doing = trouble if trouble.startswith(f"the {self.name} is ") else f"the {self.name} is starting"
        return f"{doing} ({seconds:.0f} s){self.words.meanwhile(seconds > QUIET_SECONDS)}"

    def stop(self) -> None:
        """See `Child.stop`. Sends SIGTERM, and SIGKILL if it still runs after `STOP_SECONDS`."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait(STOP_SECONDS)
