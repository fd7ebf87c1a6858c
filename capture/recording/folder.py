"""A session's folder: which files belong to it, who writes it just now, and what may be removed of it.

While a session is written, or mended, its folder is locked (flock): the lock goes with the process, however it ends.
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
"""Names of tracks: what they hold, and the number of their section."""
TRIES = 1000


class FolderLock:
    """Keeps everybody else from writing `folder`. Raises `CaptureError` if somebody does already, or if it is gone."""

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
            # Its file system knows no locks: it is written without one.

    def release(self) -> None:
        """Lets others write; may be called twice."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def absolute(path: Path) -> Path:
    """`path` with a name for its last part, also where "." or ".." was typed."""
    return path.resolve() if path.name in ("", "..") else path


def part_of(path: Path) -> Path:
    """The folder in which the session `path` is written until it is whole."""
    return path if path.name.endswith(PART) else path.with_name(path.name + PART)


def check_finished(path: Path) -> None:
    """Raises `CaptureError` if the session `path` is being recorded, or its recording was cut short."""
    part = part_of(path)
    if (path.is_dir() and path != part) or not part.is_dir():
        return
    FolderLock(part).release()
    raise CaptureError(f"{path} is not a whole session: its recording was cut short, "
                       f"`realmaster recover {part}` mends it")


def is_session(path: Path) -> bool:
    """Whether `path` stands for a session, be it whole or not, and not for a file."""
    return path.is_dir() or (not path.exists() and part_of(path).is_dir())


def own_file(folder: Path, name: str) -> Path:
    """The file `name` of a session. Raises `CaptureError` if it is a link, or no file: it could lead anywhere."""
    path = folder / name
    try:
        regular = stat.S_ISREG(path.lstat().st_mode)
    except OSError as error:
        raise CaptureError(f"{path} cannot be read ({error.strerror}): `realmaster recover` mends a session") from error
    if not regular:
        raise CaptureError(f"{path} is a link or no file at all: a session holds plain files only, put the file there")
    return path


def tracks(folder: Path) -> dict[str, list[int]]:
    """What the tracks in `folder` hold, and the numbers of the sections that each is there for, in order."""
    found: dict[str, list[int]] = {}
    for file in folder.iterdir():
        if (match := TRACK.fullmatch(file.name)) is not None:
            found.setdefault(match[1], []).append(int(match[2] or 0))
    return {name: sorted(numbers) for name, numbers in found.items()}


def create(path: Path, *, numbered: bool) -> tuple[Path, Path]:
    """Makes the `.part` folder of a new session, and returns the session's path and that folder.

    A path that is taken is refused, or if `numbered` followed by a number. Raises `FileExistsError` or `OSError`.
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
    """Removes the session's own files, and then `folder` if nothing else is left in it; returns whether it is gone."""
    for file in folder.iterdir():
        if file.name in {ABOUT, INDEX} or TRACK.fullmatch(file.name):
            file.unlink()
    try:
        folder.rmdir()
    except OSError:
        return False  # somebody put something else there, which is not ours to remove
    return True
