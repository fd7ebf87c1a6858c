"""Saves and loads the progress of a render, so that a killed render continues without a visible seam.

The progress is one file, `progress.npz`, in the output's `.part` folder. It is always replaced as a whole. It holds
plain arrays and no pickled objects.
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
"""A regular expression that matches the names of the progress file and of its unfinished copy."""


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a render is.

    `signature` names the settings and the input. `read`, `shown` and `dropped` count frames. `sequence`, `segment` and
    `start` are those of the next window. `settled` counts calls of `Output.settle`. `origin_ns` is the first frame's
    capture time in ns.
    """

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
    """A render's progress, with the pictures and the model's state that it needs to continue.

    `tail` holds the frames that the stitcher holds back, (N, H, W, 3) u8. `carry` is `Resumable.carry`.
    """

    progress: Progress
    tail: NDArray[np.uint8]
    carry: dict[str, NDArray[np.float32]]


def save(folder: Path, saved: Saved) -> None:
    """Writes the progress into `folder`, atomically. Raises `UserError` if it cannot be written."""
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
    """Loads the progress that an earlier run of the same command saved in `folder`.

    Args:
        folder: the output's `.part` folder.
        signature: names the settings and the input of this run.

    Returns:
        The saved progress; None if there is none.

    Raises:
        UserError: the progress is of a render with another signature, or the file is damaged.
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
