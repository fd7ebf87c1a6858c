"""LTX-2's self-attention over the picture in a context."""

from __future__ import annotations

import torch
from diffusers.models.transformers.transformer_ltx2 import (
    LTX2Attention,
    LTX2AudioVideoAttnProcessor,
    apply_interleaved_rotary_emb,
    apply_split_rotary_emb,
)
from torch import Tensor

from realmaster.models.large.attention import Context, Layer, Rotary


class LTX2ContextProcessor(LTX2AudioVideoAttnProcessor):
    """LTX-2's self-attention over the video in a context."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self.layer = Layer(context)

    def __call__(self, attn: LTX2Attention,  # noqa: PLR0917
                 hidden_states: Tensor, encoder_hidden_states: Tensor | None = None,
                 attention_mask: Tensor | None = None, query_rotary_emb: Rotary | None = None,
                 key_rotary_emb: Rotary | None = None, perturbation_mask: Tensor | None = None,
                 all_perturbed: bool | None = None) -> Tensor:
        assert query_rotary_emb is not None
        rotate = apply_interleaved_rotary_emb if attn.rope_type == "interleaved" else apply_split_rotary_emb
        query, key = (rotate(norm(project(hidden_states)), query_rotary_emb)
                      for project, norm in ((attn.to_q, attn.norm_q), (attn.to_k, attn.norm_k)))
        query, key, value = (x.unflatten(2, (attn.heads, -1)) for x in (query, key, attn.to_v(hidden_states)))
        out = self.layer.attend(query, key, value).to(query.dtype)
        if attn.to_gate_logits is not None:
            # Twice the sigmoid, so that a gate of zeros lets everything through.
            out = out * (2 * torch.sigmoid(attn.to_gate_logits(hidden_states))).unsqueeze(-1)
        return attn.to_out[1](attn.to_out[0](out.flatten(2, 3)))
