"""Why a program that was started with the library gives no picture: by its file, and by what its process has loaded."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

OPENGL = re.compile(r"lib(GL|GLX|EGL|OpenGL|GLESv1_CM|GLESv2)\.so")
VULKAN = re.compile(r"libvulkan\.so")
WINDOW = re.compile(r"lib(X11|xcb|wayland-client)\.so")
SERVERS = {"Xvfb", "Xorg", "Xephyr", "Xwayland", "weston", "dbus-daemon", "pulseaudio", "wineserver", "gamemoded"}
"""Programs that a game's starter may start beside it."""
SANDBOXES = {"bwrap", "flatpak", "snap", "snap-confine", "firejail"}
INSTEAD = "realmaster live --source screen takes any window"
ELF_HEADER = 64
PT_INTERP = 3


def unfit(program: Path) -> str:
    """Why the library cannot be loaded into a program, by its file; empty if nothing speaks against it."""
    try:
        with program.open("rb") as file:
            header = file.read(ELF_HEADER)
            if header[:4] != b"\x7fELF":
                return ""  # a script: what it starts is looked at
            if header[4] != 2:
                return f"{program.name} is a 32-bit program, and the library is a 64-bit one"
            at, size, count = (int.from_bytes(header[a:b], "little") for a, b in ((32, 40), (54, 56), (56, 58)))
            file.seek(at)
            table = file.read(size * count)
        mode = program.stat().st_mode
    except OSError:
        return ""
    kinds = [int.from_bytes(table[i:i + 4], "little") for i in range(0, len(table), max(size, 4))]
    if PT_INTERP not in kinds:
        return f"{program.name} is linked statically, so no library can be loaded into it"
    if mode & (stat.S_ISUID | stat.S_ISGID):
        return f"{program.name} runs with more rights than its user's (setuid), so no library is loaded into it"
    return ""


@dataclass(frozen=True)
class Process:
    """What is known of a living process."""

    program: Path
    parent: int
    loaded: frozenset[str]
    """Names of the files that are mapped into it."""

    def has(self, names: re.Pattern[str]) -> bool:
        """Whether a library of such a name is loaded."""
        return any(names.match(name) for name in self.loaded)


def look(pid: int) -> Process | None:
    """Looks at a process; None if it is gone, or not ours to look at."""
    proc = Path("/proc", str(pid))
    try:
        program = (proc / "exe").readlink()
        lines = (proc / "maps").read_text(errors="replace").splitlines()
        loaded = {line.rpartition("/")[2] for line in lines if "/" in line}
        parent = int((proc / "stat").read_text(errors="replace").rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return Process(program, parent, frozenset(loaded))


def explain(pids: Iterable[int], library: str) -> str:
    """One sentence on why none of these living processes has shown a picture; empty if nothing can be said.

    `library` is the name of the file that should be loaded into them.
    """
    processes = {pid: found for pid in pids if (found := look(pid)) is not None}
    parents = {process.parent for process in processes.values()}
    reasons = [_reason(process, library, leaf=pid not in parents) for pid, process in processes.items()]
    return max(reasons, key=lambda reason: reason[0], default=(0, ""))[1]


def _reason(process: Process, library: str, *, leaf: bool) -> tuple[int, str]:
    """The most telling process has the highest number."""
    name = process.program.name
    opengl, vulkan, window = (process.has(kind) for kind in (OPENGL, VULKAN, WINDOW))
    if name in SERVERS or not (leaf or opengl or vulkan or window or name in SANDBOXES):
        return 0, ""
    weight = 5 if opengl else 4 if vulkan else 3 if window else 1
    if name in SANDBOXES:
        return 4, f"{name} starts the game in a sandbox, into which no library of ours can be loaded; {INSTEAD}"
    if library not in process.loaded:
        why = unfit(process.program) or f"the library is not in {name}: what starts it has cleared LD_PRELOAD"
        return max(weight, 2), f"{why}; {INSTEAD}"
    if opengl:
        also = ", and Vulkan, with which it may draw" if vulkan else ""
        return weight, f"{name} has loaded OpenGL{also}, but has shown no picture with OpenGL yet"
    if vulkan:
        return weight, f"{name} draws with Vulkan, and only OpenGL can be captured; {INSTEAD}"
    if window:
        return weight, f"{name} draws its window without OpenGL, so there is nothing to capture; {INSTEAD}"
    return weight, f"{name} has not opened a window yet"
