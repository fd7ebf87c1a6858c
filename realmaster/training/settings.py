"""The settings of `realmaster train` and `realmaster export`."""

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

    With `--model FOLDER` (a large model in diffusers' layout), train an in-context LoRA for that model instead.
    If a run is stopped, the same command continues it. Finished stages are not repeated.
    """

    stage: tyro.conf.Positional[StageName | Literal["all"]] = "all"
    """Stage to train, or all unfinished ones. Each stage needs the stages before it."""
    preset: Literal["smoke", "short", "tiny"] | None = None
    """Length of the training. smoke: a few steps of each stage, to see that it runs. For the tiny model only: short,
    for comparisons; tiny, which made the shipped model and is used if no preset is given."""
    variant: Variant = "tiny"
    """Model to train. For comparison with tiny: per-frame sees one frame at a time, regression predicts the mean
    picture without noise, guides also reads normals and depth. streaming continues from chunk to chunk; its stages are
    codec, flow and rollout. The stages of all others are vae, base, lora and few-step."""
    data: Path = Path("data/pairs")
    """Folder of the dataset."""
    checkpoint: Path = Path("data/checkpoint")
    """Folder to write the trained model to."""
    model: str = "tiny"
    """tiny, or the folder of a large model (see docs/MODELS.md). `stage` and --variant are for tiny only."""
    attention: Literal["full", "one_way"] = "one_way"
    """For a large model: attention mode. one_way can cache the reference; full is how published LoRAs are trained."""
    reference_scale: Annotated[int, msgspec.Meta(ge=1, le=8)] = 1
    """For a large model: factor by which the game's frames are shrunk; 2 costs a quarter."""
    reference_reach: Annotated[int, msgspec.Meta(ge=0)] | None = None
    """For a large model in one_way: a frame sees only reference frames up to this many latent frames away."""
    guides: bool = False
    """For a large model: add the game's normals and depth as a second reference. Rendering then needs them too."""
    features: Path | None = None
    """For the streaming model: safetensors file with torchvision's SqueezeNet 1.1. Training then also compares its
    features of the pictures."""
    threads: Threads = 2
    """Number of CPU threads."""
    seed: Seed = 0
    """Seed of the weights, batches and noise."""
    tensorboard: Path | None = None
    """Folder to write the losses to, for TensorBoard (pip install -e '.[tensorboard]')."""


class Export(Settings, frozen=True):
    """Export a checkpoint to the ONNX graphs that `serve` runs without torch."""

    checkpoint: Path = TINY
    """Folder with vae/, transformer/ and lora.safetensors. The graphs are written to its onnx/ folder."""
    width: Annotated[int, msgspec.Meta(ge=16, le=8192, multiple_of=16)] = 256
    """Frame width in pixels, a multiple of 16."""
    height: Annotated[int, msgspec.Meta(ge=16, le=8192, multiple_of=16)] = 144
    """Frame height in pixels, a multiple of 16."""
    length: Frames = 13
    """Frames in a window: a multiple of 4, plus 1."""
