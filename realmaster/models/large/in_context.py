"""In-context conditioning: the target's tokens beside clean reference tokens, in shared positions.

The reference (the game's window, and whatever else a model was trained to read) has timestep 0. Two attention modes:

- `full`: all tokens attend to all, as published IC-LoRAs are trained (LTX-2's trainer). The reference's keys and
  values depend on the noisy target, so nothing can be kept from step to step.
- `one_way`: a reference attends to itself alone. `write` computes its keys and values once per window, `read` runs
  the target alone and attends to [own, reference]; that equals `joint`, the single pass in which LoRAs are trained.
  It can be frame-aligned: with a `reach` of n latent frames, a target frame sees the reference's frames within n of it
  (n = 0: its own, as Wan-Animate's pose reference works), which costs less attention.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from realmaster.models.large.attention import KeyValue, join_frames
from realmaster.models.large.tokens import LatentSize, Prompt, TokenTransformer, to_latents, to_tokens

Attention = Literal["full", "one_way"]


@dataclass(frozen=True)
class Reading:
    """How a model reads its references, as its LoRA was trained: see `Reference` and `realmaster.guides.packing`.
    """

    attention: Attention
    scale: int = 1
    reach: int | None = None
    guides: bool = False


Cache = list[KeyValue]
"""Keys and values of all references, by layer."""
MAX_PLACED = 8
"""Kinds of windows whose positions are kept; beyond it all are made anew."""


@dataclass(frozen=True)
class Reference:
    """Clean latents (B, C, L, h, w); `scale` is how much smaller than the target they are, in height and width."""

    latents: Tensor
    scale: int = 1


class InContext:
    """Runs a transformer with clean references in its context. Velocities are (B, C, L, h, w), like the target.

    `reach` is for mode `one_way` alone; None is every frame. References then have as many latent frames as the target.
    """

    def __init__(self, transformer: TokenTransformer, reach: int | None = None) -> None:
        self.transformer, self.reach = transformer, reach
        self._placed: dict[tuple[LatentSize, int, torch.device], Tensor] = {}

    def plain(self, noisy: Tensor, timestep: Tensor, prompt: Prompt) -> Tensor:
        """Velocity without any reference: the base model as it was trained.

        `timestep` in [0, 1000], here and below: (B,), or (B, L) where some latent frames are cleaner than others.
        """
        self._prepare(None, None, 1)
        return self._target(noisy, timestep, prompt)

    def joint(self, noisy: Tensor, timestep: Tensor, prompt: Prompt, references: Sequence[Reference],
              attention: Attention, *, strength: float = 1.0) -> Tensor:
        """Velocity of the target in one pass over all tokens, in either mode.

        With a `strength` below 1 the references are said to be as noisy as 1 - `strength` of the target's timestep, as
        diffusers' `LTX2InContextPipeline` does it; that is for mode `full`.
        """
        patch = self.transformer.patch
        videos = [Reference(noisy), *references]
        tokens = [to_tokens(video.latents, patch) for video in videos]
        places = [self._places(video) for video in videos]
        counts = [part.shape[1] for part in tokens]
        frames = timestep if timestep.ndim == 2 else timestep[:, None]
        times = [frames.repeat_interleave(counts[0] // frames.shape[1], 1),
                 (1 - strength) * frames.amax(1, keepdim=True).expand(-1, sum(counts) - counts[0])]
        self._prepare(tuple(counts) if attention == "one_way" else None, None, self._frames(noisy))
        # What is prepared here must still hold when gradient checkpointing runs the blocks again.
        out = self.transformer.velocity(torch.cat(tokens, 1), torch.cat(places, 2), torch.cat(times, 1), prompt)
        return to_latents(out[:, :counts[0]], _size(noisy), patch)

    def write(self, reference: Reference, prompt: Prompt) -> Cache:
        """Keys and values of a reference, which attends to itself alone; exact to reuse in mode `one_way`."""
        latents = reference.latents
        self._prepare(None, None, self._frames(latents), writing=True)
        self.transformer.velocity(to_tokens(latents, self.transformer.patch), self._places(reference),
                                  latents.new_zeros(len(latents)), prompt)
        written = [layer.written for layer in self.transformer.context.layers if layer.written is not None]
        self._prepare(None, None, 1)
        return written

    def read(self, noisy: Tensor, timestep: Tensor, prompt: Prompt, cache: Cache,
             bias: Tensor | None = None) -> Tensor:
        """Velocity of the target, which also attends to what `write` returned, for one reference or `join`ed.

        `bias`: see `Context`; for references without a `reach`.
        """
        self._prepare(None, cache, self._frames(noisy))
        self.transformer.context.bias = bias
        return self._target(noisy, timestep, prompt)

    def _target(self, noisy: Tensor, timestep: Tensor, prompt: Prompt) -> Tensor:
        patch = self.transformer.patch
        tokens = to_tokens(noisy, patch)
        if timestep.ndim == 2:
            timestep = timestep.repeat_interleave(tokens.shape[1] // timestep.shape[1], 1)
        out = self.transformer.velocity(tokens, self._places(Reference(noisy)), timestep, prompt)
        return to_latents(out, _size(noisy), patch)

    def _places(self, video: Reference) -> Tensor:
        """Positions, kept on the latents' device: a copy in every pass would stall a GPU, and bar CUDA graphs."""
        size, device = _size(video.latents), video.latents.device
        if torch.compiler.is_compiling():
            return self.transformer.positions(size, video.scale)
        key = size, video.scale, device
        if key not in self._placed:
            if len(self._placed) >= MAX_PLACED:
                self._placed.clear()
            self._placed[key] = self.transformer.positions(size, video.scale).to(device)
        return self._placed[key]

    def join(self, caches: Sequence[Cache], frames: int) -> Cache:
        """The keys and values of several references of so many latent frames as those of one."""
        each = 1 if self.reach is None else frames // self.transformer.patch.frames
        return [join_frames(layer, each) for layer in zip(*caches, strict=True)]

    def _frames(self, latents: Tensor) -> int:
        """Into how many frames keys and values are parted: one, unless something depends on it."""
        return 1 if self.reach is None else latents.shape[2] // self.transformer.patch.frames

    def _prepare(self, segments: tuple[int, ...] | None, cache: Cache | None, frames: int,
                 writing: bool = False) -> None:
        context = self.transformer.context
        context.segments, context.writing, context.reach, context.frames = segments, writing, self.reach, frames
        context.bias = None
        for i, layer in enumerate(context.layers):
            layer.written, layer.reference = None, cache[i] if cache is not None else None


def stack(cache: Cache) -> Tensor:
    """A cache as one tensor (layers, 2, B, S, heads, head size), as graphs exchange it."""
    return torch.stack([torch.stack(layer) for layer in cache])


def unstack(cache: Tensor) -> Cache:
    """Undoes `stack`."""
    return [(layer[0], layer[1]) for layer in cache]


def _size(latents: Tensor) -> LatentSize:
    return LatentSize(*latents.shape[2:])
