"""Video autoencoders: frames to normalised latents and back, through stock diffusers classes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from copy import copy
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

DECODE_TIMESTEP, DECODE_NOISE = 0.05, 0.025
"""What LTX-Video's timestep-conditioned decoder is given (its model card)."""


class Autoencoder(ABC):
    """Frames to a model's normalised latents and back."""

    vae: Any
    """The module, for moving it and asking its type."""
    channels: int
    grid: tuple[int, int, int]
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

    def size(self, length: int, height: int, width: int) -> tuple[int, int, int]:
        """Latent frames, height and width of a window."""
        t, h, w = self.grid
        return (length - 1) // t + 1, height // h, width // w


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
    """Wraps `AutoencoderKLLTXVideo` or `AutoencoderKLLTX2Video`, and `AutoencoderKLWan` as `WanVideo`.

    Latents are normalised channel by channel with the statistics that come with the weights, as each family's own
    pipeline does it.
    """

    def __init__(self, vae: Any) -> None:
        self.vae = vae
        # The same weights, but not the caches that Wan's keeps on itself while it works: one may encode meanwhile.
        self._decoder = copy(vae)
        config = vae.config
        if hasattr(config, "z_dim"):  # Wan keeps them in its config, LTX in its weights
            self.mean, self.std = torch.tensor(config.latents_mean), torch.tensor(config.latents_std)
            self.channels = int(config.z_dim)
            time, side = int(config.scale_factor_temporal), int(config.scale_factor_spatial)
        else:
            self.mean, self.std = vae.latents_mean, vae.latents_std / float(config.scaling_factor)
            self.channels = int(config.latent_channels)
            time, side = int(vae.temporal_compression_ratio), int(vae.spatial_compression_ratio)
        self.grid = time, side, side
        self.timed = bool(getattr(config, "timestep_conditioning", False))

    @torch.no_grad()
    def encode(self, video: Tensor) -> Tensor:
        """See `Autoencoder.encode`: the posterior's mode."""
        return self._normal(self.vae.encode(video.transpose(1, 2).to(self.vae.dtype)).latent_dist.mode())

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """See `Autoencoder.decode`."""
        z = self._raw(latents)
        if not self.timed:
            return self._decoder.decode(z, return_dict=False)[0].float().transpose(1, 2)
        generator = torch.Generator().manual_seed(0)
        noise = torch.randn(z.shape, generator=generator).to(z)
        z = (1 - DECODE_NOISE) * z + DECODE_NOISE * noise
        timestep = torch.full((len(z),), DECODE_TIMESTEP).to(z)
        return self._decoder.decode(z, timestep, return_dict=False)[0].float().transpose(1, 2)

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
