"""Trains the streaming model's transformer: first on the truth's own history, then on its own.

`train_flow`: flow matching, x = (1 - sigma) x_0 + sigma noise (Lipman et al., 2023), every latent frame at a noise
level of its own (Chen et al., "Diffusion Forcing", 2024), all frames of a clip in one pass.

`train_rollout`: the model renders clips as it does live, latent by latent, from its own history (Huang et al., "Self
Forcing", 2025), in one or two steps; autoencoder and transformer together, on the pictures that come out. Gradients
end at the history, and at all steps but the last.
"""

from __future__ import annotations

import numpy as np
import torch
from diffusers.models.transformers.transformer_wan import WanTransformer3DModel
from torch import Tensor, nn

from realmaster.models.sampler import sigmas
from realmaster.models.tiny.causal import HISTORY, REFERENCES, Causal, Slot, from_noise, new_transformer, trained
from realmaster.models.tiny.codec import GROUP, Codec, whole_tokens
from realmaster.training.codec import jitter
from realmaster.training.critic import Critic
from realmaster.training.features import Features
from realmaster.training.frames import Batch, Frames
from realmaster.training.loop import Run, fit
from realmaster.training.losses import change_loss, picture_loss, weights
from realmaster.training.recipe import Phase, Stage

FULL_NOISE = 0.4
"""Share of flow matching at sigma 1, where a one-step model works."""
STALE = 0.3
"""History is mixed with up to this much noise, so that the model does not trust it blindly."""
GUIDED = 0.5
"""Share of the clips that come with guides."""
STEPS, SHARES = (1, 2), (0.8, 0.2)
"""Numbers of steps that roll-outs are sampled with, and how often each: live runs one."""
FEATURES, CRITIC, MATCHING = 0.15, 0.02, 0.1
"""Weights of the distance of features, of the critic's verdict, and of the distance of what the critic looks at."""


def _flat(x: Tensor) -> Tensor:
    return x.flatten(0, 1)


def past_slots(keys: Tensor, length: int, agos: range) -> list[Slot]:
    """Slots for all latent frames of clips at once: `keys` (layers, 2, B * L, S, heads, head size) are theirs."""
    by_clip = keys.unflatten(2, (-1, length))
    out: list[Slot] = []
    for ago in agos:
        moved = torch.cat([torch.zeros_like(by_clip[:, :, :, :ago]), by_clip[:, :, :, :length - ago]], 3)
        present = (torch.arange(length) >= ago).expand(by_clip.shape[2], -1)
        out.append(Slot(moved.flatten(2, 3), ago, present.flatten()))
    return out


def parallel_slots(causal: Causal, game: Tensor, history: Tensor, guides: Tensor | None,
                   guided: Tensor) -> list[Slot]:
    """What every latent frame of clips (B, L, 32, h, w) may see: the mask of streaming, in one pass.

    `guided` (B,) bool: which clips have guides.
    """
    length = game.shape[1]
    slots = past_slots(causal.write(_flat(game), "reference"), length, range(REFERENCES))
    slots += past_slots(causal.write(_flat(history), "history"), length, range(1, HISTORY + 1))
    if guides is not None:
        slots.append(Slot(causal.write(_flat(guides), "guides"), 0, guided.repeat_interleave(length)))
    return slots


def train_flow(run: Run, stage: Stage, codec: Codec, frames: Frames) -> WanTransformer3DModel:
    """Trains the transformer from random weights, on latents of the given autoencoder."""
    torch.manual_seed(run.seed)
    codec.requires_grad_(False)
    model = new_transformer().train()
    for parameter in model.proj_out.parameters():  # it starts with the game's own picture
        nn.init.zeros_(parameter)
    causal = Causal(model)

    def loss(rng: np.random.Generator, phase: Phase) -> Tensor:
        batch = jitter(rng, frames.pick(rng, phase.batch, phase.groups, phase.crop))
        with torch.no_grad():
            videos = batch.game, batch.photo, whole_tokens(batch.guides)
            game, clean, guides = (codec.see(video).latent for video in videos)
        guided = torch.from_numpy(rng.random(len(game)) < GUIDED)
        stale = STALE * torch.rand(*clean.shape[:2], 1, 1, 1)
        history = (1 - stale) * clean + stale * torch.randn_like(clean)
        slots = parallel_slots(causal, game, history, guides, guided)
        sigma = torch.sigmoid(torch.randn(clean.shape[0] * clean.shape[1]))
        sigma = torch.where(torch.rand(len(sigma)) < FULL_NOISE, torch.ones(()), sigma)
        s = sigma[:, None, None, None]
        out = causal.read((1 - s) * _flat(clean) + s * torch.randn_like(_flat(clean)), sigma, _flat(game), slots)
        return ((out - _flat(clean)).square() / s.clamp(min=0.25) ** 2).mean()

    fit(run, stage, trained(model), loss)
    return model.eval()


def rollout(causal: Causal, codec: Codec, batch: Batch, guided: Tensor, steps: int) -> Tensor:
    """Renders whole clips (B, 4L, 3, H, W) as the sampler does, with gradients."""
    seen = codec.see(batch.game)
    length = seen.latent.shape[1]
    slots = past_slots(causal.write(_flat(seen.latent), "reference"), length, range(REFERENCES))
    guides = causal.write(_flat(codec.see(whole_tokens(batch.guides)).latent), "guides").unflatten(2, (-1, length))
    history: list[Tensor] = []
    latents: list[Tensor] = []
    for at in range(length):
        here = [Slot(s.keys.unflatten(2, (-1, length))[:, :, :, at], s.ago, s.present.unflatten(0, (-1, length))[:, at])
                for s in slots]
        for ago in range(1, HISTORY + 1):
            there = ago <= len(history)
            keys = history[-ago] if there else torch.zeros_like(here[0].keys)
            here.append(Slot(keys, ago, torch.full((len(guided),), there)))
        here.append(Slot(guides[:, :, :, at], 0, guided))
        game = seen.latent[:, at]
        clean = from_noise(causal, torch.randn_like(game), sigmas(steps), game, here)
        latents.append(clean)
        history.append(causal.write(clean.detach(), "history"))
    return codec.show(torch.stack(latents, 1), seen, batch.game)[0]


def train_rollout(run: Run, stage: Stage, model: WanTransformer3DModel, codec: Codec, *, frames: Frames,
                  features: Features | None) -> None:
    """Trains transformer and autoencoder, in place."""
    torch.manual_seed(run.seed)
    causal, critic = Causal(model.train()), Critic()
    codec.train().requires_grad_(True)
    parameters: dict[str, nn.Parameter] = {f"transformer.{n}": p for n, p in trained(model).items()}
    parameters |= {f"codec.{n}": p for n, p in codec.named_parameters()}
    parameters |= {f"critic.{n}": p for n, p in critic.named_parameters()}

    def loss(rng: np.random.Generator, phase: Phase) -> Tensor:
        batch = jitter(rng, frames.pick(rng, phase.batch, phase.groups, phase.crop))
        guided = torch.from_numpy(rng.random(len(batch.game)) < GUIDED)
        out = rollout(causal, codec, batch, guided, int(rng.choice(STEPS, p=SHARES)))
        weight = weights(batch.game, batch.photo, batch.what)
        value = picture_loss(out, batch.photo, weight) + change_loss(out, batch.photo)
        at = int(rng.integers(GROUP)) + GROUP * np.arange(phase.groups)  # one frame of each group is looked at closely
        closely, truth, game = (v[:, at].flatten(0, 1) for v in (out, batch.photo, batch.game))
        if features is not None:
            value = value + FEATURES * features.distance(closely, truth)
        if phase.critic:
            judged = critic.judge(closely, truth, game)
            value = value + judged.own
            if phase.critic == "judges":
                value = value + CRITIC * judged.verdict + MATCHING * judged.matching
        return value

    fit(run, stage, parameters, loss)
