"""The settings of `realmaster pairs`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import tyro

from realmaster.settings import Frames, Settings, Side, Threads

PresetName = Literal["smoke", "small", "full", "test"]


class PairsRender(Settings, frozen=True):
    """Render aligned pairs: each world drawn as a game would, with every buffer, and path-traced.

    If a run is stopped, the same command continues it. A clip whose two halves do not line up is refused.
    """

    preset: PresetName = "small"
    """smoke: 4 small clips, a minute; small: 16 clips, some minutes; full: the clips that trained the shipped model,
    hours; test: the held-out worlds that `eval` measures on."""
    out: Path = Path("data/pairs")
    """Folder of the dataset (format: docs/DATASET.md)."""
    workers: Threads = 2
    """Number of clips to render at the same time, each on at least one core."""


def _pack_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "realmaster" / "assets"


class PairsAssets(Settings, frozen=True):
    """Download photographed and modelled material, check it, and convert it into one pack for `pairs truth`.

    It needs apt-get, pip, npm and Node.js. If a run is stopped, the same command continues it.
    """

    assets: Path = msgspec.field(default_factory=_pack_folder)
    """Folder to write the pack to."""


class PairsTruth(Settings, frozen=True):
    """Render path-traced clips of places built from the pack, and add them to the clips in --out.

    If a run is stopped, the same command continues it. After a complete run, the same command adds more clips.
    """

    out: Path = Path("data/truth")
    """Folder of the path-traced clips (format: docs/DATASET.md)."""
    assets: Path = msgspec.field(default_factory=_pack_folder)
    """Folder of the pack that `realmaster pairs assets` makes."""
    clips: Frames = 1000
    """Number of clips to add; the kinds of places take turns."""
    samples: Frames = 4
    """Path-tracing samples for each pixel of each frame. Light is reused from frame to frame and denoised."""
    workers: Threads = 2
    """Number of clips to render at the same time, each on at least one core."""


class PairsDraw(Settings, frozen=True):
    """Draw path-traced clips again as games would, in several styles each. The result is a dataset of pairs."""

    truth: tyro.conf.Positional[Path] = Path("data/truth")
    """Folder of the path-traced clips that `realmaster pairs truth` makes."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = Path("data/worlds")
    """Folder of the dataset."""
    assets: Path = msgspec.field(default_factory=_pack_folder)
    """Folder of the pack that `realmaster pairs assets` makes."""
    styles: Frames = 2
    """Number of game styles for each clip."""
    workers: Threads = 2
    """Number of clips to draw at the same time."""


class PairsCheck(Settings, frozen=True):
    """Check the checksums, buffers and alignment of a dataset. The exit status is 1 if anything is wrong."""

    data: tyro.conf.Positional[Path] = Path("data/pairs")
    """Folder of the dataset."""


class PairsExport(Settings, frozen=True):
    """Copy one split of a dataset into the folders that Lightricks' LTX trainer reads."""

    data: tyro.conf.Positional[Path]
    """Folder of the dataset."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """Folder to write to."""
    split: Literal["train", "validation", "test"] = "train"
    """Part of the dataset to copy."""
    frames: Frames = 9
    """Number of frames to copy from the start of each clip: a multiple of 8, plus 1."""
    size: tuple[Side, Side] | None = None
    """Width and height in pixels, multiples of 32. If not given, as large as the clips allow. Pictures of another shape
    are cropped, never stretched."""
