"""What a render has to remember, so that after a kill it goes on without a seam.

One `progress.npz` in the output's `.part` folder, replaced as a whole; plain arrays, never pickled.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from capture.video.files import VideoError, told
from realmaster.errors import UserError

FILE = "progress.npz"
OURS = r"progress\.npz(\.new)?"
"""What its names match."""


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a render is. `segment` and `start` are the next window's; `settled` counts the output's pieces."""

    signature: str
    read: int
    shown: int
    dropped: dict[str, int]
    sequence: int
    segment: int
    start: int
    settled: int
    origin_ns: int
    size: tuple[int, int]
    """Width and height of the output."""


class Saved(msgspec.Struct, frozen=True, kw_only=True):
    """`Progress`, with the blended tail of the last chunk (N, H, W, 3) u8 and what the backend carries on."""

    progress: Progress
    tail: NDArray[np.uint8]
    carry: dict[str, NDArray[np.float32]]


def save(folder: Path, saved: Saved) -> None:
    """Writes it, atomically."""
    new = folder / (FILE + ".new")
    arrays: dict[str, Any] = {"about": np.frombuffer(msgspec.json.encode(saved.progress), np.uint8), "tail": saved.tail}
    arrays |= {f"carry_{name}": value for name, value in saved.carry.items()}
    try:
        with told():
            with new.open("wb") as file:
                np.savez(file, **arrays)
            new.replace(folder / FILE)
    except VideoError as error:
        raise UserError(f"cannot write {folder}: {error}; {error.advice}the same command goes on") from error


def load(folder: Path, signature: str) -> Saved | None:
    """What an earlier run of the same command left; None if nothing.

    Raises `UserError` if it was another command, or the file is damaged.
    """
    if not (folder / FILE).exists():
        return None
    try:
        with np.load(folder / FILE, allow_pickle=False) as arrays:
            progress = msgspec.json.decode(arrays["about"].tobytes(), type=Progress)
            carry = {k.removeprefix("carry_"): arrays[k] for k in arrays.files if k.startswith("carry_")}
            tail = arrays["tail"]
    except (OSError, ValueError, KeyError, msgspec.MsgspecError, zipfile.BadZipFile) as error:
        raise UserError(f"{folder / FILE} is damaged: remove {folder} and start over") from error
    if progress.signature != signature:
        raise UserError(f"{folder} is of a render with other settings or another input: give the same ones to go on "
                        "with it, or remove it to start over")
    return Saved(progress=progress, tail=tail, carry=carry)
