"""What `realmaster train` and `export` can be told."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
import tyro

from realmaster.config import TINY
from realmaster.settings import Frames, Seed, Settings, Threads

StageName = Literal["vae", "base", "lora", "few-step", "codec", "flow", "rollout"]
Variant = Literal["tiny", "per-frame", "regression", "guides", "streaming"]


class Train(Settings, frozen=True):
    """Train the tiny model on pairs: autoencoder, base, in-context LoRA, few-step model; then export it.

    With `--model FOLDER`, a large model in diffusers' layout, train an in-context LoRA for it instead. A run that
    was stopped goes on where it was; a stage that is done is left alone.
    """

    stage: tyro.conf.Positional[StageName | Literal["all"]] = "all"
    """One stage, or all that are missing; each needs the ones before it."""
    preset: Literal["smoke", "short", "tiny"] | None = None
    """How long: smoke is a few steps of each stage, to see that it runs; for the tiny model also short, which is for
    comparisons, and tiny, which made the shipped model and is what it takes if you say nothing."""
    variant: Variant = "tiny"
    """tiny, or one of the models it is compared with: per-frame sees one frame at a time, regression predicts the mean
    picture without noise, guides also reads normals and depth. streaming is the model that goes on from chunk to chunk;
    its stages are codec, flow and rollout, tiny's and its rivals' are vae, base, lora and few-step."""
    data: Path = Path("data/pairs")
    """Folder of the dataset."""
    checkpoint: Path = Path("data/checkpoint")
    """Folder to train into."""
    model: str = "tiny"
    """tiny, or the folder of a large model (see docs/MODELS.md): what `stage` and `variant` say is for tiny alone."""
    attention: Literal["full", "one_way"] = "one_way"
    """For a large model: one_way caches the reference while it renders; full is how published LoRAs are trained."""
    reference_scale: Annotated[int, msgspec.Meta(ge=1, le=8)] = 1
    """For a large model: 2 gives it the game's window at half the size, which costs a quarter."""
    reference_reach: Annotated[int, msgspec.Meta(ge=0)] | None = None
    """For a large model in one_way: a latent frame sees of the reference only frames that are at most so many away."""
    guides: bool = False
    """For a large model: give it the game's normals and depth as a second reference. To render, it needs them too."""
    features: Path | None = None
    """For the streaming model: a safetensors file with torchvision's SqueezeNet 1.1, by whose features pictures are
    compared too."""
    threads: Threads = 2
    """CPU threads."""
    seed: Seed = 0
    """Seed of weights, batches and noise."""
    tensorboard: Path | None = None
    """Folder for the losses, for tensorboard (pip install -e '.[tensorboard]')."""


class Export(Settings, frozen=True):
    """Export a checkpoint to the ONNX graphs that `serve` runs without torch."""

    checkpoint: Path = TINY
    """Folder with vae/, transformer/ and lora.safetensors; the graphs go to its onnx/."""
    width: Annotated[int, msgspec.Meta(ge=16, le=8192, multiple_of=16)] = 256
    """Frame width in pixels, a multiple of 16."""
    height: Annotated[int, msgspec.Meta(ge=16, le=8192, multiple_of=16)] = 144
    """Frame height in pixels, a multiple of 16."""
    length: Frames = 13
    """Frames in a window, 4k + 1."""
