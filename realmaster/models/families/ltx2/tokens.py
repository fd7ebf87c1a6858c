"""LTX-2's transformer over the tokens of the picture, through its stock forward pass."""

from __future__ import annotations

from typing import Any, cast

import torch
from diffusers.models.transformers.transformer_ltx2 import LTX2VideoTransformer3DModel
from torch import Tensor

from realmaster.models.families.ltx.tokens import FPS
from realmaster.models.families.ltx2.attention import LTX2ContextProcessor
from realmaster.models.large.attention import Context
from realmaster.models.large.tokens import LatentSize, Patch, Prompt


class LTX2Tokens:
    """Calls an `LTX2VideoTransformer3DModel` on video tokens alone. Implements `TokenTransformer`.

    Its sound half gets one token of silence and is cut off from the picture. LTX-2.3 modulates its text by the
    target's timestep, for the reference's tokens too, which is why nothing of it can be cached.
    """

    def __init__(self, model: LTX2VideoTransformer3DModel) -> None:
        self.model = model
        self.cacheable = not cast(Any, model).prompt_modulation
        self.context = Context()
        for block in model.transformer_blocks:
            cast(Any, block).attn1.set_processor(LTX2ContextProcessor(self.context))

    @property
    def patch(self) -> Patch:
        """See `TokenTransformer.patch`."""
        config = cast(Any, self.model.config)
        return Patch(config.patch_size_t, config.patch_size, config.patch_size)

    def positions(self, size: LatentSize, scale: int) -> Tensor:
        """See `TokenTransformer.positions`: seconds and pixels (1, 3, S, 2), as `LTX2InContextPipeline` has them."""
        coords = self.model.rope.prepare_video_coords(1, *size, torch.device("cpu"), fps=FPS)
        coords[:, 1:] *= scale
        return coords

    def velocity(self, tokens: Tensor, positions: Tensor, timestep: Tensor, prompt: Prompt) -> Tensor:
        """See `TokenTransformer.velocity`. Text is modulated by the highest timestep, which is the target's."""
        batch, config = len(tokens), cast(Any, self.model.config)
        silence = tokens.new_zeros(batch, 1, config.audio_in_channels)
        sigma = timestep if timestep.ndim == 1 else timestep.amax(1)
        audio_text = tokens.new_zeros(batch, 1, self._audio_text_width())
        return self.model(
            tokens, silence, prompt.embeds, audio_text, timestep, sigma, sigma=sigma,
            encoder_attention_mask=prompt.mask, audio_num_frames=1, video_coords=positions.to(tokens.device),
            isolate_modalities=True, return_dict=False)[0]

    def _audio_text_width(self) -> int:
        model, config = cast(Any, self.model), cast(Any, self.model.config)
        return config.caption_channels if config.use_prompt_embeddings else model.audio_proj_in.out_features
