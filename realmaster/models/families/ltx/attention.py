"""LTX-Video's self-attention in a context."""

from __future__ import annotations

from typing import Any

from diffusers.models.transformers.transformer_ltx import LTXAttention, LTXVideoAttnProcessor, apply_rotary_emb
from torch import Tensor

from realmaster.models.large.attention import Context, Layer


class LTXContextProcessor(LTXVideoAttnProcessor):
    """LTX-Video's self-attention in a context."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self.layer = Layer(context)

    def __call__(self, attn: LTXAttention, hidden_states: Tensor, encoder_hidden_states: Tensor | None = None,
                 attention_mask: Tensor | None = None, image_rotary_emb: Any = None) -> Tensor:
        query, key = (apply_rotary_emb(norm(project(hidden_states)), image_rotary_emb)
                      for project, norm in ((attn.to_q, attn.norm_q), (attn.to_k, attn.norm_k)))
        query, key, value = (x.unflatten(2, (attn.heads, -1)) for x in (query, key, attn.to_v(hidden_states)))
        out = self.layer.attend(query, key, value).flatten(2, 3).to(query.dtype)
        return attn.to_out[1](attn.to_out[0](out))
