"""Wan's self-attention in a context."""

from __future__ import annotations

import torch
from diffusers.models.transformers.transformer_wan import WanAttention, WanAttnProcessor
from torch import Tensor

from realmaster.models.large.attention import Context, Layer, Rotary


class WanContextProcessor(WanAttnProcessor):
    """Wan's self-attention in a context."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self.layer = Layer(context)

    def __call__(self, attn: WanAttention, hidden_states: Tensor, encoder_hidden_states: Tensor | None = None,
                 attention_mask: Tensor | None = None, rotary_emb: Rotary | None = None) -> Tensor:
        assert rotary_emb is not None
        query, key = (_rotate(norm(project(hidden_states)).unflatten(2, (attn.heads, -1)), *rotary_emb)
                      for project, norm in ((attn.to_q, attn.norm_q), (attn.to_k, attn.norm_k)))
        value = attn.to_v(hidden_states).unflatten(2, (attn.heads, -1))
        out = self.layer.attend(query, key, value).flatten(2, 3).type_as(query)
        return attn.to_out[1](attn.to_out[0](out))


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Interleaved rotary embedding of (B, S, heads, d), as `WanAttnProcessor` applies it."""
    x1, x2 = x.unflatten(-1, (-1, 2)).unbind(-1)
    c, s = cos[..., 0::2], sin[..., 1::2]
    return torch.stack([x1 * c - x2 * s, x1 * s + x2 * c], -1).flatten(-2).type_as(x)
