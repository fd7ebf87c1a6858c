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

from realmaster.errors import UserError

log = logging.getLogger(__name__)
STOP_SECONDS = 5.0
STEADY_SECONDS = 5.0
"""A child that ran for so long and then died is started again; one that dies sooner never worked."""
PR_SET_PDEATHSIG = 1


def _die_with_parent() -> None:
    """Asks Linux to end this child when its parent dies, however that happens; elsewhere does nothing."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Child:
    """One process of ours, its output kept in a file."""

    def __init__(self, name: str, arguments: list[str], folder: Path) -> None:
        self.name, self.arguments, self.log = name, arguments, folder / f"{name}.log"
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        self.started = time.monotonic()
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        with self.log.open("wb") as output:
            # A session of its own: Ctrl-C reaches us alone, and we stop the children in order.
            return subprocess.Popen([sys.executable, "-m", *self.arguments], stdout=output, stderr=subprocess.STDOUT,
                                    stdin=subprocess.DEVNULL, env=environment, start_new_session=True,
                                    preexec_fn=_die_with_parent)  # noqa: PLW1509  it makes one system call

    def check(self) -> None:
        """Starts it again if it has crashed; raises `UserError` with its last words if it never really ran."""
        status = self.process.poll()
        if not status:
            return
        words = self.log.read_text(errors="replace").strip().splitlines()
        what = f"the {self.name} stopped (status {status}): {words[-1] if words else 'it said nothing'}"
        if time.monotonic() - self.started < STEADY_SECONDS:
            raise UserError(what)
        log.warning("%s; starting it again", what)
        self.process = self._start()

    def stop(self) -> None:
        """Ends it politely, then not."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
