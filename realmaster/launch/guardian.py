"""The guardian, a process between `live` and a game, which ends everything that the game has started.

Usage: `python guardian.py FOLDER [NAME=VALUE]... -- GAME [ARGUMENT]...`.

Games are often started by scripts and launchers, which start other processes and end. The kernel makes the guardian the
parent of the processes that are left (PR_SET_CHILD_SUBREAPER in prctl(2)). So it can report how each of them ended, and
it can end them all. It does that when it gets SIGTERM, and when `live` ends for any reason, which closes the guardian's
standard input. The guardian ends when the last of them has ended.

It writes what happens into FOLDER/report, one line for each event. The library in the game writes there, too. The
guardian's lines are "started PID -" once, "ended PID STATUS" for each process (STATUS is negative after a signal), and
"failed 0 WHY" if the game cannot be started.

It runs without site packages, so it imports nothing else of RealMaster.
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
"""How long processes may take to end after SIGTERM, and then again after SIGKILL."""
LOOK_SECONDS = 0.02
MARK = "REALMASTER_REPORT"
"""The environment variable of a game, and of all that it starts, that holds the path of its report."""
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


def parents() -> dict[int, int]:
    """The parent of every living process, by process id."""
    found: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # the process has ended meanwhile
            state, parent = path.read_bytes().rpartition(b")")[2].split()[:2]
            if state != b"Z":
                found[int(path.parent.name)] = int(parent)
    return found


def descendants(ancestor: int) -> set[int]:
    """The living processes that a process has started, directly or through others."""
    family, left = {ancestor}, parents()
    while grown := {pid for pid, parent in left.items() if parent in family and pid not in family}:
        family |= grown
    return family - {ancestor}


def marked(report: Path) -> set[int]:
    """The living processes of a game, found by `MARK` in their environment, without this process and its ancestors."""
    mark, left = os.fsencode(f"{MARK}={report}"), parents()
    pid = os.getpid()
    while pid in left:
        pid = left.pop(pid)
    found: set[int] = set()
    for other in left:
        with contextlib.suppress(OSError):  # another user's process, or it has ended
            if mark in Path("/proc", str(other), "environ").read_bytes().split(b"\0"):
                found.add(other)
    return found


def end(living: Callable[[], set[int]]) -> set[int]:
    """Ends processes with SIGTERM, then with SIGKILL.

    Args:
        living: gives those of the processes that are alive.

    Returns:
        The processes that still live `STOP_SECONDS` after SIGKILL.
    """
    told: set[int] = set()
    left = living()
    for number in (signal.SIGTERM, signal.SIGKILL):
        until = time.monotonic() + STOP_SECONDS
        while left and time.monotonic() < until:
            for pid in left if number == signal.SIGKILL else left - told:
                with contextlib.suppress(OSError):  # it has ended, or we may not end it
                    os.kill(pid, number)
                    os.kill(pid, signal.SIGCONT)  # a stopped process would not get the signal
            told |= left
            time.sleep(LOOK_SECONDS)
            left = living()
    return left


def remove_rings(report: Path) -> None:
    """Removes the rings that a game has reported, unless another game has replaced them."""
    with contextlib.suppress(OSError):
        for line in report.read_text(errors="surrogateescape").splitlines():
            event, _, detail = [*line.split(" ", 2), "", ""][:3]
            inode, _, path = detail.partition(" ")
            with contextlib.suppress(OSError):
                if event == "ring" and path and str(os.lstat(path).st_ino) == inode:
                    Path(path).unlink()


def clean(folder: Path) -> None:
    """Removes a session's folder and ends what is left of its game. Does nothing while the session holds its lock."""
    try:
        lock = os.open(folder / "lock", os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:  # not the folder of a session
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
    """Starts one game, and watches all processes that it starts.

    Args:
        folder: the session's folder, for the report.
        command: the game and its arguments.
        environment: the game's environment variables.
    """

    def __init__(self, folder: Path, command: list[str], environment: dict[str, str]) -> None:
        self.report = folder / "report"
        linux = ctypes.CDLL(None)
        linux.prctl(PR_SET_CHILD_SUBREAPER, 1)
        # Kept, because a Popen that is garbage-collected takes the exit status, which `reap` needs, with it.
        self.game = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, start_new_session=True,
                                     preexec_fn=lambda: linux.prctl(PR_SET_PDEATHSIG, signal.SIGKILL))  # noqa: PLW1509
        self.tell("started", self.game.pid, "-")

    def tell(self, event: str, pid: int, detail: str) -> None:
        """Adds a line to the report."""
        with contextlib.suppress(OSError), self.report.open("a") as file:  # go on if the disk is full
            file.write(f"{event} {pid} {detail}\n")

    def reap(self) -> bool:
        """Reports the processes that have ended. Returns whether any process is left."""
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return True
                self.tell("ended", pid, str(os.waitstatus_to_exitcode(status)))
        return False

    def living(self) -> set[int]:
        """The living processes of the game."""
        self.reap()
        return descendants(os.getpid()) | marked(self.report)

    def watch(self, woken: int) -> None:
        """Waits until no process is left, SIGTERM arrives or `live` has ended.

        Args:
            woken: a file descriptor from which the numbers of arriving signals are read.
        """
        while self.reap():
            ready, _, _ = select.select([sys.stdin.fileno(), woken], [], [], None)  # a signal, or `live` has ended
            if sys.stdin.fileno() in ready or signal.SIGTERM in os.read(woken, 64):
                return


def main(words: Iterable[str]) -> None:
    """Runs the guardian. `words` are the arguments of the command line, see the module."""
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
