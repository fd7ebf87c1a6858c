"""Child processes of `live`: the game and the server, started together and stopped together."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from pathlib import Path

from realmaster.errors import UserError

STOP_SECONDS = 5.0
PR_SET_PDEATHSIG = 1


def _die_with_parent() -> None:
    """Asks Linux to end this child when its parent dies, however that happens; elsewhere does nothing."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Child:
    """One process of ours, its output kept in a file."""

    def __init__(self, name: str, arguments: list[str], folder: Path) -> None:
        self.name, self.log = name, folder / f"{name}.log"
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        with self.log.open("wb") as output:
            # A session of its own: Ctrl-C reaches us alone, and we stop the children in order.
            self.process = subprocess.Popen([sys.executable, "-m", *arguments], stdout=output,
                                            stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=environment,
                                            start_new_session=True,
                                            preexec_fn=_die_with_parent)  # noqa: PLW1509  no threads run yet

    def check(self) -> None:
        """Raises `UserError` with the child's last words if it has ended with an error."""
        status = self.process.poll()
        if status:
            words = self.log.read_text(errors="replace").strip().splitlines()
            raise UserError(f"the {self.name} stopped (status {status}): {words[-1] if words else 'it said nothing'}")

    def stop(self) -> None:
        """Ends it politely, then not."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
