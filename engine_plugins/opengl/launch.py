"""How to start an OpenGL game so that the library in this folder is loaded into it."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from capture.errors import CaptureError

SOURCE = Path(__file__).parent
FILES = (*(SOURCE / f"{name}.c" for name in ("hook", "scene", "camera", "uniforms", "matrix", "grab")),
         SOURCE.parent / "native" / "realmaster.c")
FLAGS = ("-std=c11", "-O2", "-Wall", "-Wextra", "-fvisibility=hidden", "-shared", "-fPIC")
REFUSED = frozenset({
    "apex_legends", "bf4", "callofduty", "cod", "cs2", "csgo", "csgo_linux64", "cstrike_linux64", "destiny2", "dota",
    "dota2", "fortnite", "genshinimpact", "hl2_linux", "leagueoflegends", "overwatch", "pubg", "r5apex", "rainbowsix",
    "rust", "rustclient", "tf", "tf_linux64", "valorant", "warframe", "wow", "zenlesszonezero"})
"""Programs of games that are played online and look for foreign libraries."""
GUARDS = ("easyanticheat", "battleye", "beservice", "nprotect", "gameguard", "punkbuster", "vanguard", "faceit")
"""What an anti-cheat's files and folders are called."""


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What no heuristic can find out about a game."""

    programs: tuple[str, ...]
    """Names of its executables."""
    metres_per_unit: float = 1.0
    """Length of a unit of its world."""
    screen_passes: int = 1
    """Draws that bring the scene from a framebuffer of its own to the screen, before the interface is drawn."""


@dataclass(frozen=True)
class Launch:
    """A command line, and what to add to its environment."""

    arguments: list[str]
    environment: dict[str, str]


def prepare(command: Sequence[str], ring: str, *, locked: bool = False, profile: Path | None = None) -> Launch:
    """Compiles the library if need be.

    Raises `CaptureError` if the game is refused or not there, a profile is damaged, or the library does not compile.
    """
    if not sys.platform.startswith("linux"):
        raise CaptureError("games can only be captured by themselves on Linux: use --source screen of realmaster live")
    program = shutil.which(command[0])
    if program is None:
        raise CaptureError(f"{command[0]} is no program here: give its path, or install it")
    refuse(Path(program))
    known = read_profile(profile) if profile else profile_of(Path(program).name)
    preload = " ".join([str(build(cache())), *os.environ.get("LD_PRELOAD", "").split()])
    return Launch([program, *command[1:]], {
        "LD_PRELOAD": preload, "REALMASTER_RING": ring, "REALMASTER_METRES_PER_UNIT": str(known.metres_per_unit),
        "REALMASTER_SCREEN_PASSES": str(known.screen_passes), **({"REALMASTER_LOCKED": "1"} if locked else {})})


def refuse(program: Path) -> None:
    """Raises `CaptureError` for online games, and for games with an anti-cheat beside them."""
    real = program.resolve()
    names = {program.name.lower(), real.name.lower(), real.stem.lower()}
    beside = [entry.name.lower() for entry in real.parent.iterdir()] if _own_folder(real.parent) else []
    guard = next((name for name in beside for word in GUARDS if word in name), None)
    if names & REFUSED or guard:
        raise CaptureError(f"{program.name} {f'has an anti-cheat ({guard})' if guard else 'is played online'}: loading "
                           "a library into it could get you banned, so RealMaster does not; --source screen of "
                           "realmaster live only looks at the screen")


def _own_folder(folder: Path) -> bool:
    """Whether a game has a folder to itself, unlike those in /usr/bin."""
    return folder.name not in {"bin", "games", "sbin"}


def read_profile(path: Path) -> Profile:
    """Raises `CaptureError` saying what is wrong with it."""
    try:
        return msgspec.toml.decode(path.read_bytes(), type=Profile)
    except OSError as error:
        raise CaptureError(f"cannot read {path}: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise CaptureError(f"{path}: {error}") from error


def profile_of(program: str) -> Profile:
    """The profile here that names the program; one that says nothing if none does."""
    found = (read_profile(path) for path in sorted((SOURCE / "profiles").glob("*.toml")))
    return next((profile for profile in found if program in profile.programs), Profile(programs=(program,)))


def cache() -> Path:
    """Where compiled libraries are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "realmaster"


def build(folder: Path) -> Path:
    """The library, compiled into `folder` unless it is there from before. Raises `CaptureError` if it does not compile.
    """
    sources = sorted([*FILES, *SOURCE.glob("*.h"), *(SOURCE.parent / "native").glob("*.h")])
    mark = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]
    library = folder / f"opengl-{mark}.so"
    if library.exists():
        return library
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{library.name}.{os.getpid()}.part"
    command = ["cc", *FLAGS, "-o", str(part), *map(str, FILES), "-ldl", "-lpthread", "-lm"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise CaptureError("the library for OpenGL games is compiled here, which needs a C compiler: "
                           "apt-get install gcc libc6-dev") from error
    if done.returncode:
        raise CaptureError(f"the library for OpenGL games does not compile: {done.stderr.strip()}")
    return part.rename(library)
