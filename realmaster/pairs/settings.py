"""What `realmaster pairs` can be told."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import tyro

from realmaster.settings import Frames, Settings, Side, Threads

PresetName = Literal["smoke", "small", "full", "test"]


class PairsRender(Settings, frozen=True):
    """Render aligned pairs: worlds drawn as a game, with every buffer, and path-traced.

    A run that was stopped goes on where it was. A clip whose two halves do not line up is refused.
    """

    preset: PresetName = "small"
    """smoke: 4 small clips, a minute; small: 16 clips, some minutes; full: what the shipped model is trained on,
    hours; test: the held-out worlds that `eval` measures on."""
    out: Path = Path("data/pairs")
    """Folder of the dataset; its format is in docs/DATASET.md."""
    workers: Threads = 2
    """Clips rendered at a time, each on one core or more."""


class PairsCheck(Settings, frozen=True):
    """Check a dataset: checksums, buffers, and that every pair still lines up. Exit status 1 if anything is wrong."""

    data: tyro.conf.Positional[Path] = Path("data/pairs")
    """Folder of the dataset."""


class PairsExport(Settings, frozen=True):
    """Copy a split into the folders that Lightricks' LTX trainer reads: videos, references, captions."""

    data: tyro.conf.Positional[Path]
    """Folder of the dataset."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """Folder to write."""
    split: Literal["train", "validation", "test"] = "train"
    """Which clips."""
    frames: Frames = 9
    """Frames of each clip to take from its start; the trainer wants 8k+1."""
    size: tuple[Side, Side] | None = None
    """Width and height, multiples of 32; as large as the clips allow if you say nothing. Pictures of another shape lose
    what is at their sides, none is stretched."""
