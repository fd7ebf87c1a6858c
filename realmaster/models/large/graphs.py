"""A backbone behind the sampler's functions, on torch."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from realmaster.models.large.in_context import Cache, InContext, Reading, Reference
from realmaster.models.large.load import Backbone
from realmaster.models.large.record import Recorder
from realmaster.models.large.tokens import Prompt
from realmaster.models.large.video import DecodesOn, Features
from realmaster.models.sampler import Condition, Start, denoise, sigmas

F32 = NDArray[np.float32]


MAX_PROMPTS = 16
"""Prompts kept in memory, at most; the one used longest ago gives way."""


@dataclass(frozen=True)
class Running:
    """How a backbone is run: how it reads its references, guidance, noise levels.

    `guidance` is the classifier-free guidance scale; 1 leaves the pass without the prompt out. `shift` and
    `terminal` are the noise schedule's for windows of one size; `sigmas`, a distilled model's, stand in its place.
    `strength`: of the references, in mode `full`, see `InContext.joint`.
    `recorded`: the whole loop of a window is recorded and replayed, see `realmaster.models.large.record`.
    """

    reading: Reading
    guidance: float = 1.0
    shift: float = 1.0
    terminal: float = 0.0
    sigmas: tuple[float, ...] = ()
    recorded: bool = False
    strength: float = 1.0

    @staticmethod
    def of(backbone: Backbone, reading: Reading, tokens: int) -> Running:
        """As the model's scheduler says for windows of so many tokens."""
        return Running(reading, shift=backbone.shift(tokens),
                       terminal=float(backbone.schedule.get("shift_terminal") or 0))


@dataclass(frozen=True)
class Written:
    """A condition, made ready: in mode `one_way` a cache for each expert, in mode `full` the references."""

    caches: list[Cache]
    references: list[Reference]
    prompt: Prompt
    first: Tensor | None


class BackboneGraphs:
    """Implements `realmaster.models.sampler.Graphs` for windows of one size."""

    prompts = True

    def __init__(self, backbone: Backbone, running: Running, read_prompt: Callable[[str], Prompt], device: str) -> None:
        self.backbone, self.running, self.device = backbone, running, device
        self._read_prompt = lru_cache(MAX_PROMPTS)(read_prompt)
        self.contexts = [InContext(expert.tokens, running.reading.reach) for expert in backbone.experts]
        self.dtype = backbone.experts[0].model.dtype
        self._side = torch.cuda.Stream() if device == "cuda" else None  # decodes beside the next window's denoising
        self.pipelined = self._side is not None
        self._recorder = Recorder(device) if running.recorded else None
        self.temporal, self.guides = backbone.video.grid[0], running.reading.guides

    def levels(self, steps: int) -> list[float]:
        """See `Graphs.levels`."""
        r = self.running
        return [*r.sigmas, 0.0] if r.sigmas else sigmas(steps, r.shift, r.terminal)

    def prompt(self, text: str) -> Prompt:
        """The embeddings of `text`; with guidance, those of nothing below them.

        One that is new takes as long as loading the text encoder.
        """
        prompt = self._read_prompt(text).to(self.device)
        if self.running.guidance == 1:
            return prompt
        both = prompt, self._read_prompt("").to(self.device)
        masks = [p.mask for p in both if p.mask is not None]
        return Prompt(torch.cat([p.embeds for p in both]), torch.cat(masks) if masks else None)

    def run(self, levels: tuple[float, ...], start: Start) -> Tensor:
        """See `Graphs.run`. Recorded, if that was asked for, once for each kind of start."""
        if self._recorder is None:
            return denoise(self, levels, start)
        return self._recorder.run(levels, lambda again: denoise(self, levels, again), start)

    @torch.no_grad()
    def encode(self, video: F32) -> Tensor:
        """(1, T, 3, H, W) in [-1, 1] to reference latents (1, C, L, h, w), smaller by the reference's scale."""
        return self.backbone.video.encode(self.frames(video))

    def frames(self, video: F32) -> Tensor:
        """A video as references are made from: on the device, smaller by the reference's scale."""
        frames, scale = self.lift(video), self.running.reading.scale
        return frames if scale == 1 else torch.nn.functional.avg_pool3d(frames, (1, scale, scale))

    @torch.no_grad()
    def encode_target(self, video: F32) -> Tensor:
        """(1, T, 3, H, W) in [-1, 1] to latents of the target."""
        return self.backbone.video.encode(self.lift(video))

    def shape(self, reference: Tensor) -> tuple[int, ...]:
        """The target's (1, C, L, h, w) for a reference."""
        *front, height, width = reference.shape
        scale = self.running.reading.scale
        return *front, height * scale, width * scale

    @torch.no_grad()
    def write(self, condition: Condition) -> Written:
        """See `Graphs.write`."""
        prompt: Prompt = condition.prompt
        reading, batch = self.running.reading, len(prompt.embeds)
        references = [Reference(latents.to(self.dtype).expand(batch, -1, -1, -1, -1), reading.scale)
                      for latents in (condition.reference, condition.guides) if latents is not None]
        if reading.attention == "full":
            return Written([], references, prompt, condition.first)
        frames = condition.reference.shape[2]
        caches = [context.join([context.write(reference, prompt) for reference in references], frames)
                  for context in self.contexts]
        return Written(caches, [], prompt, condition.first)

    @torch.no_grad()
    def read(self, noisy: Tensor, timestep: float, cache: Written) -> Tensor:
        """Velocity f32 of `noisy` (1, C, L, h, w) at `timestep` in [0, 1000]; a known first frame has timestep 0."""
        at = next(i for i, expert in enumerate(self.backbone.experts) if timestep >= expert.lowest)
        context, prompt = self.contexts[at], cache.prompt
        batch = len(prompt.embeds)
        time = torch.full((batch,), timestep, device=self.device)
        if cache.first is not None:
            noisy = torch.cat([cache.first, noisy[:, :, 1:]], 2)
            time = time[:, None].repeat(1, noisy.shape[2])
            time[:, 0] = 0
        x = noisy.to(self.dtype).expand(batch, -1, -1, -1, -1)
        if cache.caches:
            velocity = context.read(x, time, prompt, cache.caches[at]).float()
        else:
            velocity = context.joint(x, time, prompt, cache.references, "full",
                                     strength=self.running.strength).float()
        if batch == 1:
            return velocity
        with_text, without = velocity.chunk(2)
        return without + self.running.guidance * (with_text - without)

    @torch.no_grad()
    def decode(self, latent: Tensor, video: F32) -> F32:
        """Latents to the photoreal window (1, T, 3, H, W) in about [-1, 1]; the game's is not looked at."""
        with self._beside():
            return self.lower(self.backbone.video.decode(latent))

    def decode_on(self, latents: Tensor, before: Features | None) -> tuple[F32, Features]:
        """The same, going on from `before`, for autoencoders that can."""
        with self._beside():
            frames, features = cast(DecodesOn, self.backbone.video).decode_on(latents, before)
            return self.lower(frames), features

    def _beside(self) -> contextlib.AbstractContextManager[object]:
        return contextlib.nullcontext() if self._side is None else torch.cuda.stream(self._side)

    def lift(self, array: F32) -> Tensor:
        """An array on the model's device."""
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)

    def lower(self, latent: Tensor) -> F32:
        """A tensor as an array."""
        return latent.float().cpu().numpy()
