"""A backbone behind the sampler's functions, on torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from realmaster.backbones.in_context import Attention, Cache, InContext, Reference
from realmaster.backbones.load import Backbone
from realmaster.backbones.tokens import Prompt

F32 = NDArray[np.float32]


@dataclass(frozen=True)
class Conditions:
    """How a backbone is run: attention mode and reference scale as the LoRA was trained, text, guidance.

    `guidance` is the classifier-free guidance scale; 1 leaves the pass without the prompt out.
    """

    attention: Attention
    scale: int
    prompt: Prompt
    negative: Prompt | None
    guidance: float


class BackboneGraphs:
    """Implements `realmaster.sampler.Graphs` for windows of one size."""

    def __init__(self, backbone: Backbone, conditions: Conditions, shift: float, device: str) -> None:
        self.backbone, self.conditions, self.shift, self.device = backbone, conditions, shift, device
        self.contexts = [InContext(expert.tokens) for expert in backbone.experts]
        self.dtype = backbone.experts[0].model.dtype
        self.temporal = backbone.video.grid[0]

    @torch.no_grad()
    def encode(self, video: F32) -> Tensor:
        """(1, T, 3, H, W) in [-1, 1] to reference latents (1, C, L, h, w), smaller by the reference's scale."""
        frames = self.lift(video)
        if (scale := self.conditions.scale) > 1:
            frames = torch.nn.functional.avg_pool3d(frames, (1, scale, scale))
        return self.backbone.video.encode(frames)

    def shape(self, reference: Tensor) -> tuple[int, ...]:
        """The target's (1, C, L, h, w) for a reference."""
        *front, height, width = reference.shape
        return *front, height * self.conditions.scale, width * self.conditions.scale

    @torch.no_grad()
    def write(self, reference: Tensor) -> list[Cache] | Reference:
        """Keys and values for each expert in mode `one_way`; the reference itself in mode `full`."""
        prompt = self._prompt()
        batch = len(prompt.embeds)
        clean = Reference(reference.to(self.dtype).expand(batch, -1, -1, -1, -1), self.conditions.scale)
        if self.conditions.attention == "full":
            return clean
        return [context.write(clean, prompt) for context in self.contexts]

    @torch.no_grad()
    def read(self, noisy: Tensor, timestep: float, cache: list[Cache] | Reference) -> Tensor:
        """Velocity f32 of `noisy` (1, C, L, h, w) at `timestep` in [0, 1000]."""
        at = next(i for i, expert in enumerate(self.backbone.experts) if timestep >= expert.lowest)
        context, prompt = self.contexts[at], self._prompt()
        batch = len(prompt.embeds)
        x = noisy.to(self.dtype).expand(batch, -1, -1, -1, -1)
        time = torch.full((batch,), timestep, device=self.device)
        if isinstance(cache, Reference):
            velocity = context.joint(x, time, prompt, [cache], "full")
        else:
            velocity = context.read(x, time, prompt, cache[at])
        velocity = velocity.float()
        if batch == 1:
            return velocity
        with_text, without = velocity.chunk(2)
        return without + self.conditions.guidance * (with_text - without)

    @torch.no_grad()
    def decode(self, latent: Tensor, video: F32) -> F32:
        """Latents to the photoreal window (1, T, 3, H, W) in about [-1, 1]; the game's is not looked at."""
        return self.lower(self.backbone.video.decode(latent))

    def lift(self, array: F32) -> Tensor:
        """An array on the model's device."""
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)

    def lower(self, latent: Tensor) -> F32:
        """A tensor as an array."""
        return latent.float().cpu().numpy()

    def _prompt(self) -> Prompt:
        c = self.conditions
        if c.negative is None or c.guidance == 1:
            return c.prompt
        masks = [text.mask for text in (c.prompt, c.negative) if text.mask is not None]
        return Prompt(torch.cat([c.prompt.embeds, c.negative.embeds]), torch.cat(masks) if masks else None)
