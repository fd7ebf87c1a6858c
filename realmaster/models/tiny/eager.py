"""The tiny model in eager torch: the reference that the exported graphs are held to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from realmaster.models.families.wan.tokens import WanTokens
from realmaster.models.large.in_context import Cache, InContext, Reference
from realmaster.models.large.tokens import Prompt
from realmaster.models.sampler import Condition, Start, denoise, sigmas
from realmaster.models.tiny.autoencoder import TEMPORAL, TinyVAE
from realmaster.models.tiny.files import load_lora, load_transformer, null_prompt

F32 = NDArray[np.float32]


class TorchGraphs:
    """Base weights plus LoRA through peft. Implements `realmaster.models.sampler.Graphs`."""

    temporal, prompts, guides, pipelined = TEMPORAL, False, False, False

    def __init__(self, checkpoint: Path, threads: int) -> None:
        torch.set_num_threads(threads)
        self.vae = TinyVAE.load(checkpoint / "vae")
        transformer = load_transformer(checkpoint / "transformer")
        load_lora(transformer, checkpoint / "lora.safetensors")
        self.context = InContext(WanTokens(transformer))
        self.silence = Prompt(null_prompt(1))

    def levels(self, steps: int) -> list[float]:
        """See `Graphs.levels`."""
        return sigmas(steps)

    def prompt(self, text: str) -> None:
        """See `Graphs.prompt`."""

    def run(self, levels: tuple[float, ...], start: Start) -> Tensor:
        """See `Graphs.run`."""
        return denoise(self, levels, start)

    @torch.no_grad()
    def encode(self, video: F32) -> Tensor:
        """See `Graphs.encode`."""
        return self.vae.encode(self.lift(video))

    def shape(self, reference: Tensor) -> tuple[int, ...]:
        """See `Graphs.shape`."""
        return tuple(reference.shape)

    @torch.no_grad()
    def write(self, condition: Condition) -> Cache:
        """See `Graphs.write`."""
        return self.context.write(Reference(condition.reference), self.silence)

    @torch.no_grad()
    def read(self, noisy: Tensor, timestep: float, cache: Cache) -> Tensor:
        """See `Graphs.read`."""
        return self.context.read(noisy, torch.tensor([timestep]), self.silence, cache)

    @torch.no_grad()
    def decode(self, latent: Tensor, video: F32) -> F32:
        """See `Graphs.decode`."""
        return self.vae.decode(latent, self.lift(video)).numpy()

    def lift(self, array: F32) -> Tensor:
        """See `Graphs.lift`."""
        return torch.from_numpy(np.ascontiguousarray(array))

    def lower(self, latent: Tensor) -> F32:
        """See `Graphs.lower`."""
        return latent.numpy()
