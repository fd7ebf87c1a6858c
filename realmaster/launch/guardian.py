"""Stands between `live` and a game: `python guardian.py FOLDER [NAME=VALUE]... -- GAME [ARGUMENT]...`.

Games are started by scripts and launchers, which start others and end. The kernel makes this process the parent of
whatever is left behind, so it can say how each of them ended, and end all of them: when it is told to (SIGTERM), and
when `live` is gone, however that ended (its end of our standard input closes). It ends when the last of them has.

What happens goes into FOLDER/report, a line each, where the library in the game writes too: "started PID -" once,
"ended PID STATUS" for each process (the status negative for a signal), "failed 0 WHY" if the game cannot be started.

It runs by itself, without the site's packages: nothing of ours is imported here.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

STOP_SECONDS = 5.0
"""How long processes are given to end politely, and then to end at all."""
LOOK_SECONDS = 0.02
MARK = "REALMASTER_REPORT"
"""In the environment of a game and of all that it starts: the path of its report."""
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


def parents() -> dict[int, int]:
    """Every living process, and its parent."""
    found: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            state, parent = path.read_bytes().rpartition(b")")[2].split()[:2]
            if state != b"Z":
                found[int(path.parent.name)] = int(parent)
    return found


def descendants(ancestor: int) -> set[int]:
    """The living processes that a process has started, and those that they have."""
    family, left = {ancestor}, parents()
    while grown := {pid for pid, parent in left.items() if parent in family and pid not in family}:
        family |= grown
    return family - {ancestor}


def marked(report: Path) -> set[int]:
    """The living processes of a game, by their environment; never this one, or what has started it."""
    mark, left = os.fsencode(f"{MARK}={report}"), parents()
    pid = os.getpid()
    while pid in left:
        pid = left.pop(pid)
    found: set[int] = set()
    for other in left:
        with contextlib.suppress(OSError):  # another user's, or gone
            if mark in Path("/proc", str(other), "environ").read_bytes().split(b"\0"):
                found.add(other)
    return found


def end(living: Callable[[], set[int]]) -> set[int]:
    """Ends processes politely, then not; returns those that still live `STOP_SECONDS` after that."""
    told: set[int] = set()
    left = living()
    for number in (signal.SIGTERM, signal.SIGKILL):
        until = time.monotonic() + STOP_SECONDS
        while left and time.monotonic() < until:
            for pid in left if number == signal.SIGKILL else left - told:
                with contextlib.suppress(OSError):  # gone, or not ours to end
                    os.kill(pid, number)
                    os.kill(pid, signal.SIGCONT)  # a stopped one would not hear
            told |= left
            time.sleep(LOOK_SECONDS)
            left = living()
    return left


def remove_rings(report: Path) -> None:
    """Removes the rings that a game has reported, where they are still its own."""
    with contextlib.suppress(OSError):
        for line in report.read_text(errors="surrogateescape").splitlines():
            event, _, detail = [*line.split(" ", 2), "", ""][:3]
            inode, _, path = detail.partition(" ")
            with contextlib.suppress(OSError):
                if event == "ring" and path and str(os.lstat(path).st_ino) == inode:
                    Path(path).unlink()


def clean(folder: Path) -> None:
    """Removes a session's folder, and what is left of its game, unless the session still lives: it holds the lock."""
    try:
        lock = os.open(folder / "lock", os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:  # no session's
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        end(lambda: marked(folder / "report"))
        remove_rings(folder / "report")
        shutil.rmtree(folder, ignore_errors=True)
    except BlockingIOError:
        return
    finally:
        os.close(lock)


class Guardian:
    """One game, and all that it starts."""

    def __init__(self, folder: Path, command: list[str], environment: dict[str, str]) -> None:
        self.report = folder / "report"
        linux = ctypes.CDLL(None)
        linux.prctl(PR_SET_CHILD_SUBREAPER, 1)
        # Kept, though not used again: a Popen that is collected takes the exit status with it.
        self.game = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, start_new_session=True,
                                     preexec_fn=lambda: linux.prctl(PR_SET_PDEATHSIG, signal.SIGKILL))  # noqa: PLW1509
        self.tell("started", self.game.pid, "-")

    def tell(self, event: str, pid: int, detail: str) -> None:
        """Adds a line to the report."""
        with contextlib.suppress(OSError), self.report.open("a") as file:  # a full disk is no reason to stop
            file.write(f"{event} {pid} {detail}\n")

    def reap(self) -> bool:
        """Says which processes have ended; returns whether any is left."""
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return True
                self.tell("ended", pid, str(os.waitstatus_to_exitcode(status)))
        return False

    def living(self) -> set[int]:
        """All that is left of the game."""
        self.reap()
        return descendants(os.getpid()) | marked(self.report)

    def watch(self, woken: int) -> None:
        """Returns when nothing is left, when it is told to stop, and when `live` is gone."""
        while self.reap():
            ready, _, _ = select.select([sys.stdin.fileno(), woken], [], [], None)  # a child, a signal, or the end
            if sys.stdin.fileno() in ready or signal.SIGTERM in os.read(woken, 64):
                return


def main(words: Iterable[str]) -> None:
    """See the module."""
    name, *left = words
    at = left.index("--")
    folder, command = Path(name), left[at + 1:]
    additions = dict(word.split("=", 1) for word in left[:at])
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, lambda _number, _frame: None)
    try:
        guardian = Guardian(folder, command, {**os.environ, **additions, MARK: str(folder / "report")})
    except OSError as error:
        with (folder / "report").open("a") as report:
            report.write(f"failed 0 {error.strerror}\n")
        return
    guardian.watch(woken)
    end(guardian.living)
    remove_rings(guardian.report)
    clean(folder)


if __name__ == "__main__":
    main(sys.argv[1:])
