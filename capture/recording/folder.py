"""Makes, locks, checks and removes the folder of a session.

The folder is locked (flock) while the session is written or repaired. The lock ends when its process ends for any
reason.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import sys
from pathlib import Path

from capture.errors import CaptureError
from capture.frame import Kind
from capture.recording.layout import ABOUT, INDEX, PART, PHOTO

if sys.platform != "win32":
    import fcntl

TRACK = re.compile(rf"({PHOTO}|{'|'.join(kind.name.lower() for kind in Kind)})(?:-([1-9]\d{{0,4}}))?\.mkv")
"""Matches the names of track files: what they hold, and the number of their section."""
TRIES = 1000


class FolderLock:
    """Locks `folder` for writing. Raises `CaptureError` if another process has locked it, or if it is gone."""

    def __init__(self, folder: Path) -> None:
        self._fd = -1
        if sys.platform == "win32":
            return  # a folder that is in use cannot be renamed or removed there
        try:
            self._fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.release()
            raise CaptureError(f"{folder} is being recorded or mended just now: wait until that has ended") from error
        except OSError as error:
            if self._fd < 0:
                raise CaptureError(f"cannot open {folder}: {error.strerror}") from error
            # Its file system has no locks, so it is written without one.

    def release(self) -> None:
        """Unlocks the folder. May be called twice."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def absolute(path: Path) -> Path:
    """`path`, resolved if its last part is "." or "..", so that it ends in a name."""
    return path.resolve() if path.name in ("", "..") else path


def part_of(path: Path) -> Path:
    """The folder in which the session `path` is written until it is complete."""
    return path if path.name.endswith(PART) else path.with_name(path.name + PART)


def check_finished(path: Path) -> None:
    """Raises `CaptureError` if the session `path` is being recorded, or if its recording was interrupted."""
    part = part_of(path)
    if (path.is_dir() and path != part) or not part.is_dir():
        return
    FolderLock(part).release()
    raise CaptureError(f"{path} is not a whole session: its recording was cut short, "
                       f"`realmaster recover {part}` mends it")


def is_session(path: Path) -> bool:
    """Whether `path` is a session, complete or not, and no file."""
    return path.is_dir() or (not path.exists() and part_of(path).is_dir())


def own_file(folder: Path, name: str) -> Path:
    """The path of the file `name` of a session. Raises `CaptureError` if it is a link or no regular file."""
    path = folder / name
    try:
        regular = stat.S_ISREG(path.lstat().st_mode)
    except OSError as error:
        raise CaptureError(f"{path} cannot be read ({error.strerror}): `realmaster recover` mends a session") from error
    if not regular:
        raise CaptureError(f"{path} is a link or no file at all: a session holds plain files only, put the file there")
    return path


def tracks(folder: Path) -> dict[str, list[int]]:
    """The tracks in `folder`: for each name, the numbers of its sections in order."""
    found: dict[str, list[int]] = {}
    for file in folder.iterdir():
        if (match := TRACK.fullmatch(file.name)) is not None:
            found.setdefault(match[1], []).append(int(match[2] or 0))
    return {name: sorted(numbers) for name, numbers in found.items()}


def create(path: Path, *, numbered: bool) -> tuple[Path, Path]:
    """Makes the `.part` folder of a new session.

    Args:
        path: the path of the session.
        numbered: add a number to the path if it is taken.

    Returns:
        The path of the session, and its `.part` folder.

    Raises:
        FileExistsError: the path is taken, and `numbered` is false or has found no free number.
        OSError: the folder cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for number in range(1, TRIES if numbered else 2):
        candidate = path if number == 1 else path.with_name(f"{path.name}-{number}")
        part = part_of(candidate)
        with contextlib.suppress(FileExistsError):
            part.mkdir()
            if not os.path.lexists(candidate):
                return candidate, part
            part.rmdir()
    raise FileExistsError


def remove(folder: Path) -> bool:
    """Removes the session's own files, and then `folder` if it is empty. Returns whether `folder` is gone."""
    for file in folder.iterdir():
        if file.name in {ABOUT, INDEX} or TRACK.fullmatch(file.name):
            file.unlink()
    try:
        folder.rmdir()
    except OSError:
        return False  # it holds other files, which are not ours to remove
    return True
