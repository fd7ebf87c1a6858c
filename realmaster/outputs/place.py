"""Reserves the path of a result, and the folder for its unfinished files, so that no other render writes there."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from pathlib import Path

from realmaster.errors import UserError

PART = ".part"


class Place:
    """The `path` of a result, and `part`, the folder beside it for unfinished files. It is locked until `release`.

    Args:
        output: the output as the user names it. `part` has its name with `.part` added.
        path: the file or folder that the result becomes.
        source: the input of the render. It is never replaced.
        ours: matches the names of files that a render writes. Files with other names are never removed.
        overwrite: whether a result that exists may be replaced.

    Raises:
        UserError: `path` or `part` cannot be used.
    """

    def __init__(self, output: Path, path: Path, source: Path, ours: str, overwrite: bool) -> None:
        self.path, self.part = path, output.with_name(output.name + PART)
        self._ours, self._overwrite, self._folder = re.compile(ours), overwrite, path != output
        if _is_part(path, source) or _is_part(self.part, source):
            raise UserError(f"-o {output} would replace the input, or a part of it: choose another name")
        self._check_free()
        self._lock, self._keep = self._take(), False
        if strangers := self._strangers(self.part):
            self.release()
            raise UserError(f"{self.part} holds what no render put there ({strangers[0]}): move it away, or choose "
                            "another name with -o")

    def _check_free(self) -> None:
        path = self.path
        if not os.path.lexists(path):
            return
        if path.is_dir() != self._folder:
            kind = "folder" if path.is_dir() else "file"
            raise UserError(f"{path} is a {kind}: move it away, or choose another name with -o")
        if not self._overwrite:
            raise UserError(f"{path} exists already: add --overwrite to replace it, or choose another name with -o")
        if self._folder and (strangers := self._strangers(path)):
            raise UserError(f"{path} holds more than pictures of a render ({strangers[0]}) and is not replaced: choose "
                            "another name with -o")

    def _strangers(self, folder: Path) -> list[str]:
        return sorted(p.name for p in folder.iterdir() if not self._ours.fullmatch(p.name))

    def _take(self) -> int:
        """Makes `part` if needed, and locks it. The lock ends when this process ends for any reason."""
        try:
            self.part.mkdir(exist_ok=True)
            handle = os.open(self.part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError as error:
            raise UserError(f"cannot write {self.path}: {error.strerror}; choose another folder with -o") from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not self.part.exists() or not os.path.samestat(os.fstat(handle), self.part.stat()):
                raise BlockingIOError  # the render that held it has just finished
        except BlockingIOError as error:
            os.close(handle)
            raise UserError(f"another render writes {self.path} just now: wait for it, or choose another name with -o"
                            ) from error
        return handle

    def commit(self, made: Path) -> None:
        """Moves the result to its `path`.

        Args:
            made: the result; it is `part`, or lies in it.

        Raises:
            UserError: it cannot be moved. Then it stays where it is, and the message says where.
        """
        self._keep = True
        try:
            self._check_free()
        except UserError as error:
            raise UserError(f"{error}. What was rendered is whole, in {made}") from error
        try:
            if self._folder and self.path.exists():
                old = self.path.with_name(self.path.name + ".replaced")
                self.path.rename(old)
                made.rename(self.path)
                shutil.rmtree(old)
            else:
                made.replace(self.path)
        except OSError as error:
            raise UserError(f"cannot name the result {self.path}: {error.strerror}; it is whole, in {made}") from error
        self._keep = False

    def clear(self) -> None:
        """Removes `part`, unless it holds a result that `commit` could not move."""
        if not self._keep:
            shutil.rmtree(self.part, ignore_errors=True)

    def release(self) -> None:
        """Unlocks the place for other renders."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _is_part(target: Path, source: Path) -> bool:
    """Whether `target` is the input, one of its files or a folder that holds it. Links are followed."""
    if not target.exists() or not source.exists():
        return False
    files = [source, *(source.glob("*.mkv") if source.is_dir() else ())]
    return target.resolve() in source.resolve().parents or any(map(target.samefile, files))
