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
    loaded: frozenset[str] | None
    """Names of the files that are mapped into it; None if that cannot be seen."""

    def has(self, names: re.Pattern[str]) -> bool:
        """Whether a library of such a name is loaded."""
        return any(names.match(name) for name in self.loaded or ())


def look(pid: int) -> Process | None:
    """Looks at a process; None if it is gone. Of one that has other rights than ours, little can be seen."""
    proc, program, parent = Path("/proc", str(pid)), Path(), 0
    try:
        parent = int((proc / "stat").read_text(errors="replace").rpartition(")")[2].split()[1])
        program = Path((proc / "comm").read_text(errors="replace").strip())
        program = (proc / "exe").readlink()
        lines = (proc / "maps").read_text(errors="replace").splitlines()
    except PermissionError:
        return Process(program, parent, None)
    except OSError:
        return None
    return Process(program, parent, frozenset(line.rpartition("/")[2] for line in lines if "/" in line))


def loads_opengl(pid: int) -> bool:
    """Whether a living process has loaded OpenGL, so that it may yet draw."""
    process = look(pid)
    return process is not None and process.program.name not in SERVERS and process.has(OPENGL)


def explain(pids: Iterable[int], library: str) -> str:
    """One sentence on why none of these living processes has shown a picture; empty if nothing can be said.

    `library` is the name of the file that should be loaded into them.
    """
    processes = {pid: found for pid in pids if (found := look(pid)) is not None and found.program.name not in SERVERS}
    parents = {process.parent for process in processes.values()}
    told = [process for pid, process in processes.items() if pid not in parents or _weight(process) > 1]
    if not told:
        return ""
    telling = max(told, key=_weight)
    sandbox = next((p.program.name for p in processes.values() if p.program.name in SANDBOXES), None)
    if library in (telling.loaded or ()):
        return _drawing(telling)
    if sandbox:
        return f"{sandbox} starts the game in a sandbox, into which no library of ours can be loaded; {INSTEAD}"
    return f"{_unloaded(telling)}; {INSTEAD}"


def _weight(process: Process) -> int:
    """How much a process tells: the game is the one that draws."""
    return 4 if process.has(OPENGL) else 3 if process.has(VULKAN) else 2 if process.has(WINDOW) else 1


def _unloaded(process: Process) -> str:
    name = process.program.name
    if process.loaded is None:
        return f"{name} runs with other rights than yours, so no library is loaded into it"
    return unfit(process.program) or f"the library is not in {name}: what starts it has cleared LD_PRELOAD"


def _drawing(process: Process) -> str:
    name = process.program.name
    if process.has(OPENGL):
        also = ", and Vulkan, with which it may draw" if process.has(VULKAN) else ""
        return f"{name} has loaded OpenGL{also}, but has shown no picture with OpenGL yet"
    if process.has(VULKAN):
        return f"{name} draws with Vulkan, and only OpenGL can be captured; {INSTEAD}"
    if process.has(WINDOW):
        return f"{name} draws its window without OpenGL, so there is nothing to capture; {INSTEAD}"
    return f"{name} has not opened a window yet"
