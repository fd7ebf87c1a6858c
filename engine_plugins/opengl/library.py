"""The library that is loaded into a game: compiled once, kept in a folder of the user's own, checked at each use."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from capture.errors import CaptureError

SOURCE = Path(__file__).parent
NATIVE = SOURCE.parent / "native"
FILES = (*sorted(SOURCE.glob("*.c")), NATIVE / "realmaster.c")
FLAGS = ("-std=c11", "-O2", "-Wall", "-Wextra", "-fvisibility=hidden", "-shared", "-fPIC", "-pipe",
         "-Wl,-Bsymbolic-functions")
COMPILE_SECONDS = 120
"""The longest that the compiler is waited for."""


def library() -> Path:
    """The compiled library, in the first folder that will do. Raises `CaptureError` saying why none does."""
    reasons: list[str] = []
    for folder in _places():
        try:
            _claim(folder)
            return build(folder)
        except OSError as error:
            reasons.append(f"{folder} ({error.strerror or error})")
    raise CaptureError("the library that is loaded into the game can be kept nowhere: " + "; ".join(reasons)
                       + ": let XDG_CACHE_HOME name a folder of yours, without spaces, that programs can run from")


def build(folder: Path) -> Path:
    """The library in `folder`, compiled unless a sound one is there.

    Raises `CaptureError` if it does not compile, `OSError` if the folder cannot take it.
    """
    sources = sorted([*FILES, *SOURCE.glob("*.h"), *SOURCE.glob("*.inc"), *NATIVE.glob("*.h")])
    mark = _hash(b"".join(path.read_bytes() for path in sources))
    for known in folder.glob(f"opengl-{mark}-*.so"):
        if _sound(known):
            return known
    with tempfile.TemporaryDirectory(prefix=".part-", dir=folder) as part:
        made = Path(part, "library.so")
        _compile(made)
        made.chmod(0o600)
        return made.rename(folder / f"opengl-{mark}-{_hash(made.read_bytes())}.so")


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def _sound(path: Path) -> bool:
    """Whether it is a file of ours that nobody else can have written, with what its name says in it."""
    try:
        opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:  # a link, or somebody else's
        return False
    with os.fdopen(opened, "rb") as file:
        facts = os.fstat(opened)
        ours = stat.S_ISREG(facts.st_mode) and facts.st_uid == os.geteuid() and not facts.st_mode & 0o022
        return ours and path.stem.rpartition("-")[2] == _hash(file.read())


def _compile(to: Path) -> None:
    command = ["cc", *FLAGS, "-o", str(to), *map(str, FILES), "-ldl", "-lpthread", "-lm"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False,
                              timeout=COMPILE_SECONDS, env={**os.environ, "TMPDIR": str(to.parent), "LC_ALL": "C"})
    except FileNotFoundError as error:
        raise CaptureError("the library for OpenGL games is compiled here, which needs a C compiler: "
                           "apt-get install gcc libc6-dev") from error
    except subprocess.TimeoutExpired as error:
        raise CaptureError(f"the C compiler has not ended within {COMPILE_SECONDS} s: see what `cc --version` "
                           "does") from error
    if done.returncode and os.strerror(errno.ENOSPC) in done.stderr:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if done.returncode:
        last = "\n".join(done.stderr.strip().splitlines()[-8:])
        raise CaptureError(f"the library for OpenGL games does not compile (apt-get install gcc libc6-dev): {last}")


def _places() -> Iterator[Path]:
    """Where it may be kept, best first."""
    cache, home = os.environ.get("XDG_CACHE_HOME", ""), os.environ.get("HOME", "")
    if Path(cache).is_absolute():
        yield Path(cache, "realmaster")
    elif Path(home).is_absolute():
        yield Path(home, ".cache", "realmaster")
    if Path(running := os.environ.get("XDG_RUNTIME_DIR", "")).is_absolute():
        yield Path(running, "realmaster")
    for shared in dict.fromkeys((os.environ.get("TMPDIR", "/tmp"), "/tmp", "/var/tmp")):  # noqa: S108  see _claim
        yield Path(shared, f"realmaster-{os.geteuid()}").absolute()


def _claim(folder: Path) -> None:
    """Makes the folder ours alone. Raises `OSError` if it cannot be, or a library cannot be loaded from there."""
    if {" ", ":", "\t", "\n"} & set(str(folder)):
        raise OSError(errno.EINVAL, "LD_PRELOAD takes no path with a space or colon")
    folder.parent.mkdir(0o700, exist_ok=True)
    folder.mkdir(0o700, exist_ok=True)
    facts = folder.lstat()
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.geteuid():
        raise OSError(errno.EPERM, "is not yours")
    if stat.S_IMODE(facts.st_mode) != 0o700:
        folder.chmod(0o700)
    for above in folder.parents:
        _trust(above)
    if os.statvfs(folder).f_flag & os.ST_NOEXEC:
        raise OSError(errno.EACCES, "is on a disk that is mounted noexec")


def _trust(above: Path) -> None:
    """Raises `OSError` if another user could put a folder of his in place of one in there."""
    facts = above.stat()
    strangers = facts.st_mode & 0o002 or (facts.st_mode & 0o020 and facts.st_gid not in {0, os.getegid()})
    if facts.st_uid not in {os.geteuid(), Path("/").stat().st_uid} or (strangers and not facts.st_mode & stat.S_ISVTX):
        raise OSError(errno.EPERM, f"others can write to {above}")
