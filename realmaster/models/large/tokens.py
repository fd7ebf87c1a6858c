"""Latents as tokens with positions: the form in which every backbone takes a target and its references."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from realmaster.models.large.attention import Context


class Patch(NamedTuple):
    """Latent voxels in a token."""

    frames: int
    height: int
    width: int


class Grid(NamedTuple):
    """Frames, rows and columns of pixels in a latent; the first latent frame of a window holds one frame."""

    frames: int
    height: int
    width: int


class LatentSize(NamedTuple):
    """Latent frames, rows and columns of a window."""

    frames: int
    height: int
    width: int


@dataclass(frozen=True)
class Prompt:
    """Text as the transformer reads it: embeddings (B, N, D), and a mask (B, N) of 1 and 0 if the model wants one."""

    embeds: Tensor
    mask: Tensor | None = None

    def batch(self, size: int) -> Prompt:
        """The same text for `size` windows."""
        return Prompt(self.embeds.expand(size, -1, -1), None if self.mask is None else self.mask.expand(size, -1))

    def to(self, device: str) -> Prompt:
        """The same on another device."""
        return Prompt(self.embeds.to(device), None if self.mask is None else self.mask.to(device))


class TokenTransformer(Protocol):
    """A stock diffusers transformer, called on tokens at given positions."""

    context: Context
    cacheable: bool
    """Whether a reference's hidden states are the same at every timestep of the target."""

    @property
    def patch(self) -> Patch:
        """How latents are cut into tokens."""
        ...

    def positions(self, size: LatentSize, scale: int) -> Tensor:
        """Positions of the tokens of latents of `size` (L, h, w), in the model's own units, first axis batch (1).

        Height and width count `scale` times: a reference that is smaller by `scale` covers the target.
        """
        ...

    def velocity(self, tokens: Tensor, positions: Tensor, timestep: Tensor, prompt: Prompt) -> Tensor:
        """Velocity (B, S, C) of `tokens` (B, S, C) at `timestep` in [0, 1000], (B,) or (B, S)."""
        ...


def to_tokens(latents: Tensor, patch: Patch) -> Tensor:
    """Latents (B, C, L, h, w) to tokens (B, S, C · voxels), the channel slowest inside a token."""
    t, h, w = patch
    x = latents.unflatten(4, (-1, w)).unflatten(3, (-1, h)).unflatten(2, (-1, t))  # B C L t H h W w
    return x.permute(0, 2, 4, 6, 1, 3, 5, 7).flatten(4).flatten(1, 3)


def to_latents(tokens: Tensor, size: LatentSize, patch: Patch) -> Tensor:
    """Undoes `to_tokens` for latents of `size` (L, h, w)."""
    t, h, w = patch
    grid = size[0] // t, size[1] // h, size[2] // w
    x = tokens.unflatten(2, (-1, t, h, w)).unflatten(1, grid)  # B L H W C t h w
    return x.permute(0, 4, 1, 5, 2, 6, 3, 7).flatten(6, 7).flatten(4, 5).flatten(2, 3)


def index_grid(size: LatentSize, patch: Patch) -> Tensor:
    """(3, S) i64: frame, row and column of each token."""
    axes = [torch.arange(n // p) for n, p in zip(size, patch, strict=True)]
    return torch.stack(torch.meshgrid(*axes, indexing="ij")).flatten(1)
