"""How to start an OpenGL game so that the library in this folder is loaded into it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from capture.errors import CaptureError
from engine_plugins.opengl.library import SOURCE, library
from engine_plugins.opengl.refusal import refuse


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
    library: Path
    """What is loaded into the game."""


def prepare(command: Sequence[str], ring: str, *, locked: bool = False, profile: Path | None = None) -> Launch:
    """Compiles the library if need be.

    Raises `CaptureError` if the game is refused or not there, a profile is damaged, or the library does not compile.
    """
    if not sys.platform.startswith("linux"):
        raise CaptureError("games can only be captured by themselves on Linux: use --source screen of realmaster live")
    program = shutil.which(command[0])
    if program is None:
        raise CaptureError(f"{command[0]} is no program here: give its path, or install it")
    refuse(command)
    known = read_profile(profile) if profile else profile_of(Path(word).name for word in command)
    loaded = library()
    preload = ":".join([str(loaded), *os.environ.get("LD_PRELOAD", "").replace(":", " ").split()])
    return Launch([program, *command[1:]], {
        "LD_PRELOAD": preload, "REALMASTER_RING": ring, "REALMASTER_METRES_PER_UNIT": str(known.metres_per_unit),
        "REALMASTER_SCREEN_PASSES": str(known.screen_passes),
        **({"REALMASTER_LOCKED": "1"} if locked else {})}, loaded)


def read_profile(path: Path) -> Profile:
    """Raises `CaptureError` saying what is wrong with it."""
    try:
        return msgspec.toml.decode(path.read_bytes(), type=Profile)
    except OSError as error:
        raise CaptureError(f"cannot read {path}: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise CaptureError(f"{path}: {error}") from error


def profile_of(programs: Iterable[str]) -> Profile:
    """The profile here that names one of the programs; one that says nothing if none does."""
    names = set(programs)
    found = (read_profile(path) for path in sorted((SOURCE / "profiles").glob("*.toml")))
    return next((profile for profile in found if names.intersection(profile.programs)), Profile(programs=()))
