"""The settings of `realmaster eval`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
import tyro

from realmaster.config import Model
from realmaster.settings import Settings, Steps


class Evaluate(Settings, frozen=True):
    """Measure on held-out worlds how much closer to the path-traced picture the output is than the game's frame.

    It writes a table, a CSV file, and a page with pictures and videos. The exit status is 1 if the output is
    not closer than the game's frame.
    """

    data: Path = Path("data/held_out")
    """Folder of the dataset."""
    split: Literal["train", "validation", "test"] = "test"
    """Part of the dataset to measure on."""
    out: Path = Path("data/report")
    """Folder to write the table, the CSV file and the page to."""
    steps: tuple[Steps, ...] = (1, 2, 4)
    """Numbers of denoising steps to measure; each gives one row of the table."""
    comparisons: Path = Path("data/comparisons")
    """Folder with the models to compare with. If a model is missing, its row is left out, and a message says so."""
    lpips: Path | None = None
    """Safetensors file with the weights of AlexNet and LPIPS. It adds a column of perceptual distances."""
    model: Annotated[Model, tyro.conf.arg(name="")] = msgspec.field(default_factory=Model)
