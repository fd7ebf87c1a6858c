"""Child processes of `live`: the game and the server; started, watched, started again, and stopped together."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from realmaster.errors import UserError

log = logging.getLogger(__name__)
STOP_SECONDS = 5.0
STEADY_SECONDS = 5.0
"""A child that ran for so long and then died is started again; one that dies sooner never worked."""
PR_SET_PDEATHSIG = 1


class Starter(Protocol):
    """Starts a child, see `Child`."""

    def __call__(self, name: str, arguments: list[str], environment: Mapping[str, str] | None = None) -> None:
        """Its name, what to run, and for a program what to add to its environment."""


def _die_with_parent() -> None:
    """Asks Linux to end this child when its parent dies, however that happens; elsewhere does nothing."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Child:
    """One process, its output kept in a file: a module of ours with its arguments, or any program.

    A program is not started again when it ends: then `over` is true.
    """

    def __init__(self, name: str, arguments: list[str], folder: Path,
                 environment: Mapping[str, str] | None = None) -> None:
        """With an `environment`, what to add to ours, it is a program."""
        self.name, self.arguments, self.log = name, arguments, folder / f"{name}.log"
        self.environment, self.over = environment, False
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        self.started = time.monotonic()
        ours = self.environment is None
        arguments = [sys.executable, "-m", *self.arguments] if ours else self.arguments
        environment = {**os.environ, **(self.environment or {"PYTHONUNBUFFERED": "1"})}
        with self.log.open("wb") as output:
            # A session of its own: Ctrl-C reaches us alone, and we stop the children in order.
            return subprocess.Popen(arguments, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                    env=environment, start_new_session=True,
                                    preexec_fn=_die_with_parent)  # noqa: PLW1509  it makes one system call

    def check(self) -> None:
        """Starts it again if it has crashed; raises `UserError` with its last words if it never really ran."""
        status = self.process.poll()
        self.over = status is not None and self.environment is not None
        if not status:
            return
        words = self.log.read_text(errors="replace").strip().splitlines()
        what = f"the {self.name} stopped (status {status}): {words[-1] if words else 'it said nothing'}"
        if time.monotonic() - self.started < STEADY_SECONDS:
            raise UserError(what)
        if self.over:
            log.warning(what)
            return
        log.warning("%s; starting it again", what)
        self.process = self._start()

    def stop(self) -> None:
        """Ends it and what it has started (many games are shell scripts) politely, then not."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
