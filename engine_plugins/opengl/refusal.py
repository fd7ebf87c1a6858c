"""Which programs are refused: online games, and games with an anti-cheat. `refuse.c` asks the same inside the game."""

from __future__ import annotations

import filecmp
import os
import re
import shlex
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path, PureWindowsPath

from capture.errors import CaptureError

LEVELS = 3
"""How many folders are looked at: the program's own, and those above it that are still the game's."""


def _words() -> dict[str, frozenset[str]]:
    text = (Path(__file__).parent / "refused.inc").read_text()
    found = re.findall(r'^\{(\w+), "(.+)"\},$', text, re.MULTILINE)
    return {kind: frozenset(word for its, word in found if its == kind) for kind, _ in found}


WORDS = _words()
"""The list that the library is compiled with, by meaning: PROGRAM, GUARD, INNER, SHARED."""


def refuse(command: Sequence[str]) -> None:
    """Raises `CaptureError` if a command names a program that is refused, be it as an argument of another one."""
    for word in command:
        for part in dict.fromkeys((word, *_parts(word))):
            if why := _why_windows(part) if part.lower().endswith(".exe") else _why_found(part):
                raise CaptureError(sentence(why))


def sentence(why: str) -> str:
    """What is said to people, for the reason that `why_refused` or the library gives."""
    return (f"{why}: loading a library into it could get you banned, so RealMaster does not; --source screen of "
            "realmaster live only looks at the screen")


def _parts(word: str) -> list[str]:
    """The words of a command for a shell."""
    split = shlex.shlex(word, posix=True, punctuation_chars=True)
    split.whitespace_split = True
    try:
        return list(split)
    except ValueError:  # a quote that is not closed
        return word.split()


def _why_found(word: str) -> str:
    found = shutil.which(word)
    return why_refused(Path(found)) if found else ""


def _why_windows(word: str) -> str:
    """For what Wine is told to run; it shows Linux' files as Z:\\."""
    path = PureWindowsPath(word)
    if _is_refused(path.name):
        return f"{path.name} is played online"
    file = Path("/", *path.parts[1:]) if path.drive else Path(word)
    return why_refused(file) if file.is_file() else ""


def why_refused(program: Path) -> str:
    """Why a program is refused, such as "game has an anti-cheat (easyanticheat)"; empty if it is not."""
    real = program.resolve()
    for name in (program.name, real.name):
        if _is_refused(name):
            return f"{name} is played online"
    for folder in _folders(real):
        for entry in folder.iterdir() if os.access(folder, os.R_OK) else ():
            guard = next((word for word in sorted(WORDS["GUARD"]) if word in entry.name.lower()), None)
            if guard:
                return f"{program.name} has an anti-cheat ({guard})"
            if _is_refused(entry.name) and _is_copy(entry, real):
                return f"{entry.name} is played online"
    return ""


def _is_refused(name: str) -> bool:
    """By the whole name, and without an ending such as .exe or .sh."""
    return not {name.lower(), name.lower().rpartition(".")[0]}.isdisjoint(WORDS["PROGRAM"])


def _is_copy(path: Path, program: Path) -> bool:
    try:
        return path.is_file() and filecmp.cmp(path, program, shallow=False)
    except OSError:  # not ours to read
        return False


def _folders(program: Path) -> Iterator[Path]:
    """The folders that belong to a program alone."""
    for folder in list(program.parents)[:LEVELS]:
        if folder == Path("/") or str(folder) == os.environ.get("HOME"):
            return
        if folder.name.lower() not in WORDS["SHARED"]:
            yield folder
        if folder.name.lower() not in WORDS["INNER"]:
            return
