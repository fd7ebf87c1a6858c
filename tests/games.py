"""A small game in C, started as `capture-game` starts games, without the rest of the session."""

from __future__ import annotations

import functools
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine_plugins.opengl.launch import prepare
from realmaster.launch.program import Program
from realmaster.stream.stats import Stats

PATIENCE = 60.0


@functools.cache
def _built(flags: tuple[str, ...], code: Path) -> Path:
    if shutil.which("cc") is None:
        pytest.skip("needs a C compiler: apt-get install gcc libc6-dev")
    made = Path(tempfile.mkdtemp(prefix="game-"), code.stem)
    done = subprocess.run(["cc", "-std=gnu11", "-o", str(made), str(code), *flags], capture_output=True, text=True,
                          check=False)
    if done.returncode:
        pytest.skip(f"does not build here: {done.stderr}")
    return made


def gl_game(folder: Path, name: str = "game") -> Path:
    """tests/gl_game.c, under a name of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(_built(("-l:libEGL.so.1", "-ldl"), Path(__file__).with_name("gl_game.c")), folder / name)
    return folder / name


def c_program(folder: Path, name: str, code: str, *flags: str) -> Path:
    """A program of its own; skips if it cannot be built with these flags here."""
    source = folder / f"{name}.c"
    source.write_text(code)
    shutil.copy(_built(flags, source), folder / name)
    return folder / name


def script(path: Path, text: str) -> Path:
    """A program for the shell."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@contextmanager
def started(command: Sequence[str | Path], folder: Path, ring: str) -> Iterator[Program]:
    """The game under its guardian, for as long as the block takes."""
    words = [str(word) for word in command]
    session = folder / "session"
    session.mkdir(0o700)
    program = Program(Path(words[0]).name, prepare(words, ring), session)
    try:
        yield program
    finally:
        program.stop()


def follow(program: Program, until: Callable[[Program], object]) -> None:
    """Looks after the game until something is so."""
    deadline = time.monotonic() + PATIENCE
    while not until(program):
        assert time.monotonic() < deadline, (program.report, program.words.quote())
        program.check()


def shown(program: Program) -> bool:
    """Whether the game has shown a picture."""
    return bool(program.report.shown)


def silent(program: Program) -> str:
    """What is said of a game that gives nothing."""
    return program.explain(Stats(source="waiting"))


def lives(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for a game to run in, and surroundings in which it needs no display."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EGL_PLATFORM", "surfaceless")
    monkeypatch.setenv("XDG_CACHE_HOME", str(shared_cache()))
    return tmp_path


@functools.cache
def shared_cache() -> Path:
    """Where the library is compiled once for all tests."""
    return Path(tempfile.mkdtemp(prefix="cache-"))
