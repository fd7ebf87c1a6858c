"""Child processes of `live`: the game and the server; started, watched, started again, and stopped together."""

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
"""A child that ran for so long and then died is started again; one that dies sooner never worked."""
QUIET_SECONDS = 5.0
"""A child that has given nothing for so long has its own words shown."""
PR_SET_PDEATHSIG = 1


class Child(Protocol):
    """A process that a session depends on."""

    over: bool
    """Whether it has ended, and the session with it."""

    def check(self) -> None:
        """Looks after it; call every half second or so. Raises `UserError` if the session cannot go on."""
        ...

    def explain(self, stats: Stats) -> str:
        """What is going on in it while it gives nothing; empty if it does, or nothing is known beyond `stats`."""
        ...

    def stop(self) -> None:
        """Ends it and all that it has started."""
        ...


class Children:
    """The children of one session, whose logs are in its folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._all: list[Child] = []

    def module(self, name: Literal["game", "server"], arguments: list[str]) -> None:
        """Starts a module of ours, `python -m ARGUMENTS`; it is started again when it crashes."""
        self._all.append(Module(name, arguments, self.folder))

    def program(self, name: str, launch: Launch) -> None:
        """Starts a game that knows nothing of us; the session ends with it."""
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
        """Whether the session ends now, because a child has."""
        return any(child.over for child in self._all)

    def stop(self) -> None:
        """Stops all, the last one first."""
        while self._all:
            self._all.pop().stop()


def _die_with_parent() -> None:
    """Asks Linux to end this child when its parent dies, however that happens; elsewhere does nothing."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Module:
    """See `Children.module`."""

    over = False

    def __init__(self, name: str, arguments: list[str], folder: Path) -> None:
        self.name, self.arguments, self.words = name, arguments, Words(folder, name)
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        self.started, self.well = time.monotonic(), False
        with self.words.open() as output:
            # A session of its own: Ctrl-C reaches us alone, and we stop the children in order.
            return subprocess.Popen([sys.executable, "-m", *self.arguments], stdout=output, stderr=subprocess.STDOUT,
                                    stdin=subprocess.DEVNULL, env={**os.environ, "PYTHONUNBUFFERED": "1"},
                                    start_new_session=True,
                                    preexec_fn=_die_with_parent)  # noqa: PLW1509  it makes one system call

    def check(self) -> None:
        """See `Child.check`: starts it again if it has crashed, unless it never really ran."""
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
        """See `Child.explain`: until it has first given something, how long that takes, and what it says meanwhile."""
        trouble = stats.source if self.name == "game" else stats.server
        self.well = self.well or not trouble
        if self.well:
            return ""
        seconds = time.monotonic() - self.started
        doing = trouble if trouble.startswith(f"the {self.name} is ") else f"the {self.name} is starting"
        return f"{doing} ({seconds:.0f} s){self.words.meanwhile(seconds > QUIET_SECONDS)}"

    def stop(self) -> None:
        """See `Child.stop`: politely, then not."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait(STOP_SECONDS)
