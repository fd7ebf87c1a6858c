"""In-context conditioning of a stock diffusers Wan transformer, attention mode `one_way`.

The reference (the game's window, encoded by the VAE) attends only to itself, at timestep 0 and in
the target's rotary positions. So its keys and values are computed once per window (`write`) and
every denoising step attends to [own, reference] (`read`). This equals one pass over both token
sets under a one-way mask; a test holds that, and that the positions are shared.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from diffusers.models.attention_dispatch import dispatch_attention_fn
from diffusers.models.transformers.transformer_wan import (
    WanAttention,
    WanAttnProcessor,
    WanTransformer3DModel,
)
from torch import Tensor

LORA_TARGETS = ["to_q", "to_k", "to_v", "to_out.0", "ffn.net.0.proj", "ffn.net.2"]
"""The modules that LTX-2's published IC-LoRA configuration adapts."""


class ReferenceProcessor(WanAttnProcessor):
    """Self-attention that hands out its keys and values, or takes the reference's."""

    def __init__(self) -> None:
        super().__init__()
        self.reference: tuple[Tensor, Tensor] | None = None
        self.written: tuple[Tensor, Tensor] | None = None

    def __call__(self, attn: WanAttention, hidden_states: Tensor, encoder_hidden_states: Tensor | None = None,
                 attention_mask: Tensor | None = None,
                 rotary_emb: tuple[Tensor, Tensor] | None = None) -> Tensor:
        assert rotary_emb is not None
        query, key = (_rotate(norm(project(hidden_states)).unflatten(2, (attn.heads, -1)), *rotary_emb)
                      for project, norm in ((attn.to_q, attn.norm_q), (attn.to_k, attn.norm_k)))
        value = attn.to_v(hidden_states).unflatten(2, (attn.heads, -1))
        if self.reference is None:
            self.written = (key, value)
        else:
            key = torch.cat([key, self.reference[0]], 1)
            value = torch.cat([value, self.reference[1]], 1)
        out = dispatch_attention_fn(query, key, value, attn_mask=attention_mask)
        return attn.to_out[0](out.flatten(2, 3).type_as(query))


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Interleaved rotary embedding of (B, S, heads, d), as `WanAttnProcessor` applies it."""
    x1, x2 = x.unflatten(-1, (-1, 2)).unbind(-1)
    c, s = cos[..., 0::2], sin[..., 1::2]
    return torch.stack([x1 * c - x2 * s, x1 * s + x2 * c], -1).flatten(-2).type_as(x)


class InContext:
    """Runs a Wan transformer with a clean reference in its context.

    The reference's keys and values travel as one tensor (layers, 2, B, S, heads, head size).
    """

    def __init__(self, transformer: WanTransformer3DModel) -> None:
        self.transformer = transformer
        self.processors = [ReferenceProcessor() for _ in transformer.blocks]
        for block, processor in zip(transformer.blocks, self.processors, strict=True):
            cast(Any, block).attn1.set_processor(processor)

    def write(self, reference: Tensor, prompt: Tensor) -> Tensor:
        """Reference latents (B, C, L, h, w) and prompt (B, N, D) to keys and values, at timestep 0."""
        for processor in self.processors:
            processor.reference = None
        self.transformer(reference, torch.zeros(len(reference)), prompt, return_dict=False)
        written = [p.written for p in self.processors]
        for processor in self.processors:
            processor.written = None
        return torch.stack([torch.stack(pair) for pair in written if pair is not None])

    def read(self, noisy: Tensor, timestep: Tensor, prompt: Tensor, cache: Tensor) -> Tensor:
        """Velocity (B, C, L, h, w) of the noisy target; `timestep` (B,) in [0, 1000]."""
        for processor, layer in zip(self.processors, cache, strict=True):
            processor.reference = (layer[0], layer[1])
        return self.transformer(noisy, timestep, prompt, return_dict=False)[0]

    def plain(self, noisy: Tensor, timestep: Tensor, prompt: Tensor) -> Tensor:
        """Velocity without any reference: the base model as it was trained."""
        for processor in self.processors:
            processor.reference = None
        return self.transformer(noisy, timestep, prompt, return_dict=False)[0]
