"""Makes a session's folder, for the sockets, logs and settings of its children. It is removed when the session ends."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from realmaster.errors import UserError
from realmaster.launch.guardian import clean

PREFIX = "realmaster-"
LONGEST = 80
"""The most bytes in the path of the parent folder. A socket's path has 107 at most (`sun_path` in unix(7))."""


@contextmanager
def session_folder() -> Generator[Path]:
    """Makes the folder, with mode 0700, and locks it. First removes the folders that killed sessions of this user left.

    Raises:
        UserError: no folder can be made anywhere.
    """
    for base in _bases():
        _sweep(base)
        try:
            hidden = Path(tempfile.mkdtemp(prefix=f".{PREFIX}", dir=base))
        except OSError:  # read-only, full, or not writable for us
            continue
        break
    else:
        raise UserError("there is nowhere to put a session's sockets: set TMPDIR to a folder that you can write to, "
                        f"of at most {LONGEST} letters")
    lock = os.open(hidden / "lock", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    folder = hidden.rename(base / hidden.name[1:])  # only now can another session find it, locked
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _bases() -> list[Path]:
    """The folders in which it can be made, best first."""
    named = [os.environ.get(name, "") for name in ("TMPDIR", "XDG_RUNTIME_DIR")]
    found = [Path(text).absolute() for text in (named[0], tempfile.gettempdir() if not named[0] else "", named[1],
                                                "/tmp", "/var/tmp") if text]  # noqa: S108  mkdtemp makes it ours
    return [base for base in dict.fromkeys(found) if base.is_dir() and len(os.fsencode(base)) <= LONGEST]


def _sweep(base: Path) -> None:
    for folder in base.glob(f"{PREFIX}*"):
        try:
            facts = folder.lstat()
        except OSError:  # its own session has just removed it
            continue
        if facts.st_uid == os.geteuid() and folder.is_dir() and not folder.is_symlink():
            clean(folder)
