"""Trains the base video transformer (photoreal latents only), then the in-context LoRA on pairs.

Flow matching: x_t = (1 - sigma) x_0 + sigma noise, target velocity noise - x_0 (Lipman et al.,
"Flow Matching for Generative Modeling", 2023). The LoRA's loss covers target tokens only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from diffusers.models.transformers.transformer_wan import WanTransformer3DModel
from peft import LoraConfig
from torch import Tensor, nn

from realmaster.models.families.wan import WAN
from realmaster.models.families.wan.tokens import WanTokens
from realmaster.models.large.in_context import Cache, InContext, Reference
from realmaster.models.large.tokens import Prompt
from realmaster.models.tiny.autoencoder import LATENT_CHANNELS, SPATIAL, TinyVAE
from realmaster.models.tiny.files import GUIDES_PROMPT, null_prompt
from realmaster.training.data import Pairs, Place, to_tensor
from realmaster.training.loop import Run, fit
from realmaster.training.recipe import RANK, Phase, Stage
from realmaster.training.settings import Variant

FULL_NOISE = 0.5
"""Share of the LoRA's training at sigma 1, where a one-step model works."""


def new_transformer() -> WanTransformer3DModel:
    """The tiny backbone: stock Wan blocks, 192 wide, 6 deep, about 4 M parameters."""
    return WanTransformer3DModel(
        patch_size=(1, 2, 2), num_attention_heads=6, attention_head_dim=32, in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS, text_dim=32, freq_dim=64, ffn_dim=768, num_layers=6, rope_max_seq_len=256)


def sample_sigma(batch: int, full_noise: float) -> Tensor:
    """(B,) noise levels: pure noise with probability `full_noise`, else shifted logit-normal (shift 3)."""
    sigma = torch.sigmoid(torch.randn(batch))
    sigma = 3 * sigma / (1 + 2 * sigma)
    return torch.where(torch.rand(batch) < full_noise, torch.ones(batch), sigma)


@dataclass(frozen=True)
class Latents:
    """Every clip's latents, encoded once: (2, N, C, L, h, w) f16, the second half mirrored; `guides` may be None."""

    rendered: Tensor
    photoreal: Tensor
    guides: Tensor | None
    prompts: Tensor

    def pick(self, rng: np.random.Generator, phase: Phase) -> list[Place]:
        """Random windows, crops in units of the transformer's tokens."""
        _, n, _, _, h, w = self.rendered.shape
        height, width = phase.crop[0] // SPATIAL, phase.crop[1] // SPATIAL
        return [Place(int(rng.integers(n)), 0, int(rng.integers((h - height) // 2 + 1)) * 2,
                      int(rng.integers((w - width) // 2 + 1)) * 2, bool(rng.random() < 0.5))
                for _ in range(phase.batch)]

    @staticmethod
    def cut(latents: Tensor, places: list[Place], crop: tuple[int, int]) -> Tensor:
        """(B, C, L, h, w) f32 at `places`."""
        h, w = crop[0] // SPATIAL, crop[1] // SPATIAL
        cut = [latents[int(p.mirrored), p.clip, :, :, p.y:p.y + h, p.x:p.x + w].float() for p in places]
        return torch.stack(cut)

    def prompt(self, rng: np.random.Generator, places: list[Place]) -> Prompt:
        """The windows' captions, half of them left out, so that the model also works without."""
        keep = torch.from_numpy(rng.random((len(places), 1, 1)) < 0.5)
        return Prompt(torch.where(keep, torch.stack([self.prompts[p.clip] for p in places]), null_prompt(len(places))))


@torch.no_grad()
def encode_all(vae: TinyVAE, pairs: Pairs, frames: int) -> Latents:
    """Encodes the first `frames` of every clip, as they are and mirrored."""

    def encode(clips: np.ndarray) -> Tensor:
        both: list[Tensor] = []
        for mirrored in (False, True):
            cut = clips[:, :frames, :, ::-1] if mirrored else clips[:, :frames]
            both.append(torch.cat([vae.encode(to_tensor(clip[None])).half() for clip in cut]))
        return torch.stack(both)

    guides = None if pairs.guides is None else encode(pairs.guides)
    return Latents(encode(pairs.rendered), encode(pairs.photoreal), guides, pairs.prompts)


def train_base(run: Run, stage: Stage, latents: Latents) -> WanTransformer3DModel:
    """Trains the caption-conditioned base on photoreal latents, from random weights."""
    torch.manual_seed(run.seed)
    model = new_transformer().train()
    context = InContext(WanTokens(model))

    def loss(rng: np.random.Generator, phase: Phase) -> Tensor:
        places = latents.pick(rng, phase)
        clean = Latents.cut(latents.photoreal, places, phase.crop)
        sigma, noise = sample_sigma(len(clean), 0.1), torch.randn_like(clean)
        s = sigma[:, None, None, None, None]
        velocity = context.plain((1 - s) * clean + s * noise, sigma * 1000, latents.prompt(rng, places))
        return (velocity.float() - (noise - clean)).square().mean()

    fit(run, stage, dict(model.named_parameters()), loss)
    return model.eval()


def add_lora(model: WanTransformer3DModel) -> dict[str, nn.Parameter]:
    """Freezes the base, adds a fresh LoRA and returns its parameters."""
    model.requires_grad_(False)
    model.add_adapter(LoraConfig(r=RANK, lora_alpha=RANK, target_modules=list(WAN.lora_targets)))
    return lora_parameters(model)


def lora_parameters(model: WanTransformer3DModel) -> dict[str, nn.Parameter]:
    """The LoRA's parameters by name, made trainable."""
    found = {n: p for n, p in model.named_parameters() if "lora_" in n}
    for p in found.values():
        p.requires_grad_(True)
    return found


def write_references(context: InContext, rendered: Tensor, guides: Tensor | None, prompt: Prompt) -> Cache:
    """Keys and values of the game's window and, if there are any, of its guides, which their prompt tells apart."""
    cache = context.write(Reference(rendered), prompt)
    if guides is None:
        return cache
    marked = Prompt(GUIDES_PROMPT).batch(len(guides))
    return context.join([cache, context.write(Reference(guides), marked)], guides.shape[2])


def train_lora(run: Run, stage: Stage, model: WanTransformer3DModel, latents: Latents, variant: Variant) -> None:
    """Trains the in-context LoRA (attention mode one_way) on pairs, in place.

    The `regression` variant sees no noise and one sigma, so that it learns the mean picture.
    """
    torch.manual_seed(run.seed)
    parameters = add_lora(model.train())
    context = InContext(WanTokens(model))

    def loss(rng: np.random.Generator, phase: Phase) -> Tensor:
        places = latents.pick(rng, phase)
        prompt = latents.prompt(rng, places)
        clean, reference = (Latents.cut(v, places, phase.crop) for v in (latents.photoreal, latents.rendered))
        guides = None if latents.guides is None else Latents.cut(latents.guides, places, phase.crop)
        if variant == "regression":
            sigma, noise = torch.ones(len(clean)), torch.zeros_like(clean)
        else:
            sigma, noise = sample_sigma(len(clean), FULL_NOISE), torch.randn_like(clean)
        s = sigma[:, None, None, None, None]
        velocity = context.read((1 - s) * clean + s * noise, sigma * 1000, prompt,
                                write_references(context, reference, guides, prompt))
        return (velocity.float() - (noise - clean)).square().mean()

    fit(run, stage, parameters, loss)


