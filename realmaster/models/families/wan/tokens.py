"""Wan 2.1 and 2.2 transformers over tokens, through their stock forward pass."""

from __future__ import annotations

from typing import Any, cast

import torch
from diffusers.models.transformers.transformer_wan import WanTransformer3DModel
from torch import Tensor, nn

from realmaster.models.families.wan.attention import WanContextProcessor
from realmaster.models.large.attention import Context
from realmaster.models.large.tokens import LatentSize, Patch, Prompt, index_grid


class _Place:
    """The positions (1, 3, S) of the tokens of the next forward pass. No module: an exporter must not track it."""

    now = torch.zeros(1, 3, 1, dtype=torch.long)


class _Positions(nn.Module):
    """Takes the place of `WanRotaryPosEmbed`, which can only count from zero: hands out the tables of a `_Place`."""

    def __init__(self, rope: Any) -> None:
        super().__init__()
        self.rope = rope
        self.place = _Place()

    def forward(self, _hidden_states: Tensor) -> tuple[Tensor, Tensor]:
        """Cosines and sines (1, S, 1, head size) of each token's frame, row and column."""
        sizes = [self.rope.t_dim, self.rope.h_dim, self.rope.w_dim]
        cos, sin = (torch.cat([part[at] for part, at in zip(table.split(sizes, 1), self.place.now[0], strict=True)], 1)
                    for table in (self.rope.freqs_cos, self.rope.freqs_sin))
        return cos[None, :, None], sin[None, :, None]


class WanTokens:
    """Calls a `WanTransformer3DModel` on tokens. Implements `TokenTransformer`.

    Each token goes in as a frame of one patch, so that any set of tokens can share a sequence; their positions
    come from `_Positions`. Wan's patches hold one latent frame.
    """

    cacheable = True

    def __init__(self, model: WanTransformer3DModel) -> None:
        self.model = model
        self.context = Context()
        for block in model.blocks:
            cast(Any, block).attn1.set_processor(WanContextProcessor(self.context))
        if not isinstance(model.rope, _Positions):
            cast(Any, model).rope = _Positions(model.rope)

    @property
    def patch(self) -> Patch:
        """See `TokenTransformer.patch`."""
        return Patch(*cast(Any, self.model.config).patch_size)

    def positions(self, size: LatentSize, scale: int) -> Tensor:
        """See `TokenTransformer.positions`: indices (1, 3, S) i64 into Wan's rotary tables."""
        grid = index_grid(size, self.patch)
        grid[1:] *= scale
        return grid[None]

    def earlier(self, keys: Tensor, frames: int) -> Tensor:
        """Keys (..., head size) that were written at some latent frame, as if it were so many frames earlier.

        Rotations add up, so a key that is kept as it was written can be read from any distance.
        """
        rope = cast(Any, self.model.rope).rope
        cos, sin = (table[frames, :rope.t_dim:2].to(keys.dtype) for table in (rope.freqs_cos, rope.freqs_sin))
        even, odd = keys[..., :rope.t_dim].unflatten(-1, (-1, 2)).unbind(-1)
        turned = torch.stack([even * cos + odd * sin, odd * cos - even * sin], -1).flatten(-2)
        return torch.cat([turned, keys[..., rope.t_dim:]], -1)

    def velocity(self, tokens: Tensor, positions: Tensor, timestep: Tensor, prompt: Prompt) -> Tensor:
        """See `TokenTransformer.velocity`."""
        _, h, w = self.patch
        cast(_Positions, self.model.rope).place.now = positions.to(tokens.device)
        frames = tokens.unflatten(2, (-1, h, w)).transpose(1, 2)
        out = self.model(frames, timestep, prompt.embeds, return_dict=False)[0]
        return out.transpose(1, 2).flatten(2)
