"""What `realmaster pairs` can be told."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import msgspec
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


def _pack_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "realmaster" / "assets"


class PairsAssets(Settings, frozen=True):
    """Fetch the packages of photographed and modelled material by name, check them, and convert them once.

    It needs apt-get, pip, npm and Node.js. A run that was stopped goes on where it was.
    """

    assets: Path = msgspec.field(default_factory=_pack_folder)
    """Folder of the pack."""


class PairsTruth(Settings, frozen=True):
    """Render photographic truth: short path-traced clips of places made of the pack, added to those there are.

    A run that was stopped goes on where it was, and the same command later adds more.
    """

    out: Path = Path("data/truth")
    """Folder of the truth; its format is in docs/DATASET.md."""
    assets: Path = msgspec.field(default_factory=_pack_folder)
    """Folder of the pack that `realmaster pairs assets` makes."""
    clips: Frames = 1000
    """How many more clips, in turn of every kind of place."""
    samples: Frames = 4
    """Path-tracing samples a pixel and frame; light is carried from frame to frame, and denoised."""
    workers: Threads = 2
    """Clips rendered at a time, each on one core or more."""


class PairsDraw(Settings, frozen=True):
    """Draw the game's halves of a truth: a dataset of pairs, in several styles of game a clip."""

    truth: tyro.conf.Positional[Path] = Path("data/truth")
    """Folder of the truth."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = Path("data/worlds")
    """Folder of the dataset."""
    assets: Path = msgspec.field(default_factory=_pack_folder)
    """Folder of the pack that `realmaster pairs assets` makes."""
    styles: Frames = 2
    """Game styles a clip."""
    workers: Threads = 2
    """Clips drawn at a time."""


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
