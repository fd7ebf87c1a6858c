"""LTX-Video's and LTX-2's autoencoders."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from realmaster.models.large.tokens import Grid
from realmaster.models.large.video import LatentVideo

DECODE_TIMESTEP, DECODE_NOISE = 0.05, 0.025
"""What LTX-Video's timestep-conditioned decoder is given (its model card)."""


class LTXVideo(LatentVideo):
    """Wraps `AutoencoderKLLTXVideo` or `AutoencoderKLLTX2Video`, which keep their statistics in their weights."""

    def __init__(self, vae: Any) -> None:
        side = int(vae.spatial_compression_ratio)
        super().__init__(vae, vae.latents_mean, vae.latents_std / float(vae.config.scaling_factor),
                         Grid(int(vae.temporal_compression_ratio), side, side))
        self.timed = bool(getattr(vae.config, "timestep_conditioning", False))

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """See `Autoencoder.decode`. A decoder that is conditioned on a timestep gets a little noise and its level."""
        if not self.timed:
            return super().decode(latents)
        z = self._raw(latents)
        noise = torch.randn(z.shape, generator=torch.Generator().manual_seed(0)).to(z)
        z = (1 - DECODE_NOISE) * z + DECODE_NOISE * noise
        timestep = torch.full((len(z),), DECODE_TIMESTEP).to(z)
        return self._decoder.decode(z, timestep, return_dict=False)[0].float().transpose(1, 2)
