"""Video autoencoders: frames to normalised latents and back, through stock diffusers classes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from copy import copy
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from realmaster.models.large.tokens import Grid, LatentSize


class Autoencoder(ABC):
    """Frames to a model's normalised latents and back."""

    vae: Any
    """The module, for moving it and asking its type."""
    channels: int
    grid: Grid
    """Frames, rows and columns of pixels in a latent; the first latent of a window holds one frame."""

    @abstractmethod
    def encode(self, video: Tensor) -> Tensor:
        """(B, T, 3, H, W) in [-1, 1], T on the grid, to latents (B, C, L, h, w) f32."""

    @abstractmethod
    def decode(self, latents: Tensor) -> Tensor:
        """Latents (B, C, L, h, w) to (B, T, 3, H, W) f32 in [-1, 1]."""

    @abstractmethod
    def tile(self) -> None:
        """From now on works in tiles where that saves memory."""

    def size(self, length: int, height: int, width: int) -> LatentSize:
        """Latent frames, height and width of a window."""
        t, h, w = self.grid
        return LatentSize((length - 1) // t + 1, height // h, width // w)


Features = list[Any]
"""What a causal autoencoder has to remember of the frames so far: tensors, one for each layer that looks back."""


@runtime_checkable
class EncodesOn(Protocol):
    """An autoencoder whose encoder looks back only, so that a video can be encoded part by part."""

    def encode_on(self, video: Tensor, before: Features | None) -> tuple[Tensor, Features]:
        """The part of a video that follows what made `before`, and what to remember then; together the same as whole.

        (B, T, 3, H, W) in [-1, 1], T on the grid for the first part (`before` is None), then whole latents' frames.
        """
        ...


@runtime_checkable
class DecodesOn(Protocol):
    """The same of a decoder."""

    def decode_on(self, latents: Tensor, before: Features | None) -> tuple[Tensor, Features]:
        """Latents (B, C, L, h, w) that follow those that made `before` to frames, see `Autoencoder.decode`."""
        ...


class LatentVideo(Autoencoder):
    """Wraps an autoencoder of diffusers. Each family has its own, which says where the statistics come from.

    Latents are normalised channel by channel with the statistics that come with the weights, as each family's own
    pipeline does it.
    """

    def __init__(self, vae: Any, mean: Tensor, std: Tensor, grid: Grid) -> None:
        """`mean` and `std` of the latents, (C,) each."""
        self.vae, self.mean, self.std, self.channels, self.grid = vae, mean, std, len(mean), grid
        # The same weights, but not the caches that Wan's keeps on itself while it works: one may encode meanwhile.
        self._decoder = copy(vae)

    @torch.no_grad()
    def encode(self, video: Tensor) -> Tensor:
        """See `Autoencoder.encode`: the posterior's mode."""
        return self._normal(self.vae.encode(video.transpose(1, 2).to(self.vae.dtype)).latent_dist.mode())

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """See `Autoencoder.decode`."""
        return self._decoder.decode(self._raw(latents), return_dict=False)[0].float().transpose(1, 2)

    def tile(self) -> None:
        """See `Autoencoder.tile`."""
        self.vae.enable_tiling()
        self._decoder.enable_tiling()

    def _normal(self, z: Tensor) -> Tensor:
        z = z.float()
        return (z - self._wide(self.mean, z)) / self._wide(self.std, z)

    def _raw(self, latents: Tensor) -> Tensor:
        return (latents * self._wide(self.std, latents) + self._wide(self.mean, latents)).to(self.vae.dtype)

    @staticmethod
    def _wide(statistic: Tensor, like: Tensor) -> Tensor:
        return statistic.view(1, -1, 1, 1, 1).to(like)
