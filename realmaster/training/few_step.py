"""Makes the model good at few steps: trains LoRA and decoder through the sampler, on the pictures that come out.

Sampling in 1, 2 or 4 Euler steps as `realmaster.models.sampler` does it, gradients through the last step alone
(as in Clark et al., "Directly Fine-Tuning Diffusion Models on Differentiable Rewards", 2024, truncated to K = 1).
The loss is on pixels, their edges, and their change in time, against the path-traced truth.
"""

from __future__ import annotations

import numpy as np
import torch
from diffusers.models.transformers.transformer_wan import WanTransformer3DModel
from torch import Tensor

from realmaster.models.families.wan.tokens import WanTokens
from realmaster.models.large.in_context import Cache, InContext
from realmaster.models.large.tokens import Prompt
from realmaster.models.sampler import sigmas
from realmaster.models.tiny.autoencoder import TinyVAE
from realmaster.models.tiny.files import null_prompt
from realmaster.training.data import Pairs, pick_places, windows
from realmaster.training.loop import Run, fit
from realmaster.training.recipe import Phase, Stage
from realmaster.training.settings import Variant
from realmaster.training.transformer import lora_parameters, write_references
from realmaster.training.vae import picture_loss

STEPS, SHARES = (1, 2, 4), (0.6, 0.25, 0.15)
"""Numbers of steps that a batch is sampled with, and how often each: live runs one."""


def change_loss(out: Tensor, truth: Tensor) -> Tensor:
    """How much the change from frame to frame differs from the truth's: flicker costs, motion does not."""
    if out.shape[1] < 2:
        return out.new_zeros(())
    return (out.diff(dim=1) - truth.diff(dim=1)).abs().mean()


def sample(context: InContext, noise: Tensor, cache: Cache, prompt: Prompt, steps: int) -> Tensor:
    """Clean latents from noise; only the last step keeps its gradient."""
    x, clean = noise, noise
    levels = sigmas(steps)
    for i, sigma in enumerate(levels[:-1]):
        with torch.set_grad_enabled(i == steps - 1):
            velocity = context.read(x, torch.full((len(x),), 1000 * sigma), prompt, cache).float()
            clean = x - sigma * velocity
            x = clean + levels[i + 1] / sigma * (x - clean)
    return clean


def train_few_step(run: Run, stage: Stage, model: WanTransformer3DModel, vae: TinyVAE, *, pairs: Pairs,
                   frames: int, variant: Variant) -> None:
    """Trains the LoRA in `model` and the decoder of `vae`, in place. The encoder stays as it is."""
    context = InContext(WanTokens(model.train()))
    vae.requires_grad_(True).encoder.requires_grad_(False)
    parameters = {f"lora.{n}": p for n, p in lora_parameters(model).items()}
    parameters |= {f"vae.{n}": p for n, p in vae.named_parameters() if p.requires_grad}

    def loss(rng: np.random.Generator, phase: Phase) -> Tensor:
        places = pick_places(rng, pairs.rendered, phase.batch, frames, phase.crop)
        rendered, photoreal = (windows(places, v, frames, phase.crop) for v in (pairs.rendered, pairs.photoreal))
        prompt = Prompt(null_prompt(len(places)))
        with torch.no_grad():
            reference = vae.encode(rendered).float()
            guides = None if pairs.guides is None else vae.encode(
                windows(places, pairs.guides, frames, phase.crop)).float()
        cache = write_references(context, reference, guides, prompt)
        if variant == "regression":
            noise, steps = torch.zeros_like(reference), 1
        else:
            noise, steps = torch.randn_like(reference), int(rng.choice(STEPS, p=SHARES))
        out = vae.decode(sample(context, noise, cache, prompt, steps), rendered).float()
        if variant == "regression":
            return (out - photoreal).square().mean()
        return picture_loss(out, photoreal) + change_loss(out, photoreal)

    fit(run, stage, parameters, loss)
