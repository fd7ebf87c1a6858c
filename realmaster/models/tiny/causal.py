"""The streaming model's transformer: makes one latent frame of a video at a time, from noise.

A stock Wan transformer with in-context conditioning (`realmaster.models.large.in_context`). The target, one latent
frame, attends to itself and to the keys and values of other latent frames, which attend to themselves alone:

- references: the game's latents of the same moment and of the moment before,
- history: the model's own clean latents of the two moments before,
- guides, if there are any: normals and depth of the same moment, at half the height and width.

So whatever is in a cache depends on nothing but itself: it is exact whenever it is read, and nothing in it ages. Keys
are kept as they were written; when they are read, they are turned by their distance in time (`WanTokens.earlier`).

The transformer predicts clean latents, as a difference from the game's. A prompt of one token says of what kind a
latent frame is.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import torch
from diffusers.models.transformers.transformer_wan import WanTransformer3DModel
from torch import Tensor, nn

from realmaster.models.families.wan.tokens import WanTokens
from realmaster.models.large.in_context import InContext, Reference, stack, unstack
from realmaster.models.large.load import open_part
from realmaster.models.large.tokens import Prompt
from realmaster.models.tiny.codec import CHANNELS

Kind = Literal["target", "reference", "history", "guides"]
KINDS: tuple[Kind, ...] = ("target", "reference", "history", "guides")
SCALES: dict[Kind, int] = {"target": 1, "reference": 1, "history": 1, "guides": 2}
"""How much smaller than the target's the latents of a kind are, in height and width."""
REFERENCES, HISTORY = 2, 2
"""Latent frames that a target sees: of the game, its own moment's the first, and of what the model made before."""
UNUSED = ("attn2.to_q.", "attn2.to_k.", "attn2.norm_q.", "attn2.norm_k.")
"""Weights of Wan's that no result depends on, with a prompt of one token."""


def new_transformer() -> WanTransformer3DModel:
    """Stock Wan blocks, 192 wide, 6 deep."""
    return WanTransformer3DModel(
        patch_size=(1, 2, 2), num_attention_heads=6, attention_head_dim=32, in_channels=CHANNELS,
        out_channels=CHANNELS, text_dim=len(KINDS), freq_dim=64, ffn_dim=768, num_layers=6, rope_max_seq_len=256,
        cross_attn_norm=False)


def load_transformer(folder: Path) -> WanTransformer3DModel:
    """The transformer from a diffusers folder, as fp32. Raises `UserError` if it does not load whole."""
    return open_part(WanTransformer3DModel, folder, torch.float32).requires_grad_(True)


def trained(model: WanTransformer3DModel) -> dict[str, nn.Parameter]:
    """The parameters, by name, that results depend on."""
    return {name: p for name, p in model.named_parameters() if not any(word in name for word in UNUSED)}


class _OneToken:
    """Cross-attention to a prompt of one token, which everything attends to alike: no query is needed."""

    def __call__(self, attn: Any, hidden_states: Tensor, encoder_hidden_states: Tensor | None = None,
                 attention_mask: Tensor | None = None, rotary_emb: object = None) -> Tensor:
        return attn.to_out[0](attn.to_v(encoder_hidden_states)).expand_as(hidden_states)


@dataclass(frozen=True)
class Slot:
    """Keys and values (layers, 2, B, S, heads, head size) to read, `ago` latent frames before the target.

    `present` (B,) bool: where it is False there is nothing, and the keys do not count.
    """

    keys: Tensor
    ago: int
    present: Tensor


class Causal:
    """Runs the transformer. Latent frames are (B, 32, h, w)."""

    def __init__(self, model: WanTransformer3DModel) -> None:
        self.model = model
        self.tokens = WanTokens(model)
        self.context = InContext(self.tokens)
        for block in model.blocks:
            cast(Any, block).attn2.set_processor(_OneToken())

    def prompt(self, kind: Kind, batch: int) -> Prompt:
        """What kind of latent frame it is, one-hot (B, 1, 4)."""
        said = torch.zeros(batch, 1, len(KINDS))
        said[..., KINDS.index(kind)] = 1
        return Prompt(said)

    def write(self, latents: Tensor, kind: Kind) -> Tensor:
        """Keys and values of latent frames, each attending to itself alone: see `Slot`."""
        reference = Reference(latents[:, :, None], SCALES[kind])
        return stack(self.context.write(reference, self.prompt(kind, len(latents))))

    def read(self, noisy: Tensor, sigma: Tensor, game: Tensor, slots: list[Slot]) -> Tensor:
        """Clean latents of the target; `game` are its moment's reference latents, `sigma` (B,) its share of noise."""
        seen = [self._placed(slot) for slot in slots]
        own = noisy.shape[2] * noisy.shape[3] // 4
        there = [torch.ones(len(noisy), own, dtype=torch.bool),
                 *(slot.present[:, None].expand(-1, slot.keys.shape[3]) for slot in slots)]
        hidden = torch.zeros(()).masked_fill(~torch.cat(there, 1)[:, None, None], float("-inf"))
        cache = unstack(torch.cat(seen, 3))
        change = self.context.read(noisy[:, :, None], 1000 * sigma, self.prompt("target", len(noisy)), cache, hidden)
        return game + change[:, :, 0].float()

    def _placed(self, slot: Slot) -> Tensor:
        if not slot.ago:
            return slot.keys
        keys, values = slot.keys.unbind(1)
        return torch.stack([self.tokens.earlier(keys, slot.ago), values], 1)


def from_noise(causal: Causal, noise: Tensor, levels: list[float], game: Tensor, slots: list[Slot]) -> Tensor:
    """Clean latents from noise, Euler steps through the levels, the last one's gradient alone being kept."""
    x = clean = noise
    for i, sigma in enumerate(levels[:-1]):
        with torch.set_grad_enabled(torch.is_grad_enabled() and i == len(levels) - 2):
            clean = causal.read(x, torch.full((len(x),), sigma), game, slots)
            x = clean + levels[i + 1] / sigma * (x - clean)
    return clean
