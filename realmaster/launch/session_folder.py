"""A session's own folder: for the sockets, logs and settings of its children, gone when it ends."""

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
"""Bytes in the name of the folder that ours is made in: a socket's path has 107 at most (`sun_path` in unix(7))."""


@contextmanager
def session_folder() -> Generator[Path]:
    """Makes the folder, mode 0700 and locked; first removes those that killed sessions of this user have left."""
    for base in _bases():
        _sweep(base)
        try:
            hidden = Path(tempfile.mkdtemp(prefix=f".{PREFIX}", dir=base))
        except OSError:  # read-only, full, not ours to write
            continue
        break
    else:
        raise UserError("there is nowhere to put a session's sockets: set TMPDIR to a folder that you can write to, "
                        f"of at most {LONGEST} letters")
    lock = os.open(hidden / "lock", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    folder = hidden.rename(base / hidden.name[1:])  # only now can another session see it, and that it is locked
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _bases() -> list[Path]:
    """Where it may be made, best first."""
    named = [os.environ.get(name, "") for name in ("TMPDIR", "XDG_RUNTIME_DIR")]
    found = [Path(text).absolute() for text in (named[0], tempfile.gettempdir() if not named[0] else "", named[1],
                                                "/tmp", "/var/tmp") if text]  # noqa: S108  mkdtemp makes it ours
    return [base for base in dict.fromkeys(found) if base.is_dir() and len(os.fsencode(base)) <= LONGEST]


def _sweep(base: Path) -> None:
    for folder in base.glob(f"{PREFIX}*"):
        try:
            facts = folder.lstat()
        except OSError:  # its session has just removed it
            continue
        if facts.st_uid == os.geteuid() and folder.is_dir() and not folder.is_symlink():
            clean(folder)
