"""LTX-Video's transformer over tokens: its stock forward pass takes positions already."""

from __future__ import annotations

from typing import Any, cast

import torch
from diffusers.models.transformers.transformer_ltx import LTXVideoTransformer3DModel
from torch import Tensor

from realmaster.models.families.ltx.attention import LTXContextProcessor
from realmaster.models.large.attention import Context
from realmaster.models.large.tokens import Grid, LatentSize, Patch, Prompt, index_grid

FPS = 24.0
"""LTX's positions in time are seconds; ours are those of 24 frames a second, whatever the game runs at."""


class LTXTokens:
    """Calls an `LTXVideoTransformer3DModel` on tokens. Implements `TokenTransformer`."""

    cacheable = True

    def __init__(self, model: LTXVideoTransformer3DModel, grid: Grid) -> None:
        """`grid`: frames and pixels (time, height, width) that a latent voxel stands for, from the autoencoder."""
        self.model, self.grid = model, grid
        self.context = Context()
        for block in model.transformer_blocks:
            cast(Any, block).attn1.set_processor(LTXContextProcessor(self.context))

    @property
    def patch(self) -> Patch:
        """See `TokenTransformer.patch`."""
        config = cast(Any, self.model.config)
        return Patch(config.patch_size_t, config.patch_size, config.patch_size)

    def positions(self, size: LatentSize, scale: int) -> Tensor:
        """See `TokenTransformer.positions`: seconds and pixels (1, 3, S), as `LTXConditionPipeline` counts them."""
        voxels = torch.tensor(self.grid)[:, None] * torch.tensor(self.patch)[:, None]
        coords = (index_grid(size, self.patch) * voxels).float()
        coords[0] = (coords[0] + 1 - self.grid[0]).clamp(min=0) / FPS  # the first latent frame holds one frame
        coords[1:] *= scale
        return coords[None]

    def velocity(self, tokens: Tensor, positions: Tensor, timestep: Tensor, prompt: Prompt) -> Tensor:
        """See `TokenTransformer.velocity`."""
        return self.model(tokens, prompt.embeds, timestep, cast(Tensor, prompt.mask),
                          video_coords=positions.to(tokens.device), return_dict=False)[0]
