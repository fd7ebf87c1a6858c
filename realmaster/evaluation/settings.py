"""What `realmaster eval` can be told."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
import tyro

from realmaster.config import Model
from realmaster.settings import Settings, Steps


class Evaluate(Settings, frozen=True):
    """Measure on held-out worlds: how much of the way from the game to the path-traced truth does the output go?

    Writes a table, a CSV file and a report page with pictures and videos. The exit status is 1 if the output is
    not closer to the truth than the game is.
    """

    data: Path = Path("data/held_out")
    """Folder of the dataset."""
    split: Literal["train", "validation", "test"] = "test"
    """Which clips."""
    out: Path = Path("data/report")
    """Folder for the table, the CSV file and the page."""
    steps: tuple[Steps, ...] = (1, 2, 4)
    """Denoising steps to measure, a row each."""
    comparisons: Path = Path("data/comparisons")
    """Folder with the models that ours is compared with; rows whose model is missing are left out, and it says so."""
    lpips: Path | None = None
    """AlexNet's and LPIPS's weights in one safetensors file, for a column of perceptual distances."""
    model: Annotated[Model, tyro.conf.arg(name="")] = msgspec.field(default_factory=Model)
