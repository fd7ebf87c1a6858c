"""Wan's autoencoders, which can go on where an earlier part of a video ended."""

from __future__ import annotations

from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl_wan import WanCausalConv3d, patchify, unpatchify
from torch import Tensor, nn

from realmaster.models.large.tokens import Grid
from realmaster.models.large.video import Features, LatentVideo


class WanVideo(LatentVideo):
    """Wraps `AutoencoderKLWan`, whose statistics are in its configuration. Implements `EncodesOn` and `DecodesOn`.

    Its own `encode` and `decode` go from latent to latent with the last two frames that each causal convolution saw,
    and forget them in the end; these hand them out.
    """

    def __init__(self, vae: Any) -> None:
        config = vae.config
        side = int(config.scale_factor_spatial)
        super().__init__(vae, torch.tensor(config.latents_mean), torch.tensor(config.latents_std),
                         Grid(int(config.scale_factor_temporal), side, side))
        self._patch: int | None = config.patch_size

    @torch.no_grad()
    def encode_on(self, video: Tensor, before: Features | None) -> tuple[Tensor, Features]:
        """See `EncodesOn.encode_on`."""
        x = video.transpose(1, 2).to(self.vae.dtype)
        if self._patch is not None:
            x = patchify(x, patch_size=self._patch)
        features = _begun(self.vae.encoder, before)
        parts = [*([x[:, :, :1]] if before is None else []), *x[:, :, int(before is None):].split(self.grid[0], 2)]
        out = [self.vae.encoder(part, feat_cache=features, feat_idx=[0]) for part in parts if part.shape[2]]
        return self._normal(self.vae.quant_conv(torch.cat(out, 2)).chunk(2, 1)[0]), features

    @torch.no_grad()
    def decode_on(self, latents: Tensor, before: Features | None) -> tuple[Tensor, Features]:
        """See `DecodesOn.decode_on`."""
        x = self.vae.post_quant_conv(self._raw(latents))
        features = _begun(self.vae.decoder, before)
        first = before is None
        out = torch.cat([self.vae.decoder(part, feat_cache=features, feat_idx=[0], first_chunk=first and i == 0)
                         for i, part in enumerate(x.split(1, 2))], 2)
        if self._patch is not None:
            out = unpatchify(out, patch_size=self._patch)
        return out.clamp(-1, 1).float().transpose(1, 2), features


def _begun(part: nn.Module, before: Features | None) -> Features:
    """A list that the module can write its features to."""
    return [None] * sum(isinstance(m, WanCausalConv3d) for m in part.modules()) if before is None else list(before)
