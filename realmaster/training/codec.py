"""Trains the streaming model's autoencoder: photographs to latents and back, beside the game's frames."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from realmaster.models.tiny.codec import CHANNELS, Codec
from realmaster.training.frames import Batch, Frames
from realmaster.training.loop import Run, fit
from realmaster.training.losses import change_loss, picture_loss, weights
from realmaster.training.recipe import Phase, Stage

NOISE = 0.1
"""Deviation of what is added to latents, so that the decoder bears with a transformer's errors."""


def jitter(rng: np.random.Generator, batch: Batch) -> Batch:
    """Gives half of the games random gains and offsets of colour, so that other games' colours are no surprise."""
    count = len(batch.game)
    gain = torch.from_numpy(rng.uniform(0.7, 1.2, (count, 1, 3, 1, 1)).astype(np.float32))
    offset = torch.from_numpy(rng.uniform(-0.15, 0.15, (count, 1, 3, 1, 1)).astype(np.float32))
    keep = torch.from_numpy(rng.random((count, 1, 1, 1, 1)) < 0.5)
    game = torch.where(keep, batch.game, (batch.game * gain + offset).clamp(-1, 1))
    return Batch(game, batch.photo, batch.guides, batch.what)


def train_codec(run: Run, stage: Stage, frames: Frames) -> Codec:
    """Trains from random weights, then measures the latents' mean and deviation."""
    torch.manual_seed(run.seed)
    codec = Codec()

    def loss(rng: np.random.Generator, phase: Phase) -> Tensor:
        batch = jitter(rng, frames.pick(rng, phase.batch, phase.groups, phase.crop))
        latent = codec.see(batch.photo).latent
        noisy = latent + NOISE * torch.randn_like(latent)
        out, _ = codec.show(noisy, codec.see(batch.game), batch.game)
        weight = weights(batch.game, batch.photo, batch.what)
        return (picture_loss(out, batch.photo, weight) + change_loss(out, batch.photo)
                + 1e-2 * (latent.square().mean() - 1).square())

    fit(run, stage, dict(codec.named_parameters()), loss)
    _normalise(codec.eval(), frames)
    return codec


@torch.no_grad()
def _normalise(codec: Codec, frames: Frames) -> None:
    """Measures the latents' mean and deviation per channel and stores them in the model."""
    rng = np.random.default_rng(0)
    height, width = frames.stored[0].game.shape[1:3]
    batches = [frames.pick(rng, 2, 1, (height // 16 * 16, width // 16 * 16)) for _ in range(12)]
    latents = torch.cat([codec.see(half).latent for b in batches for half in (b.game, b.photo)])
    flat = latents.movedim(2, -1).reshape(-1, CHANNELS)
    codec.latent_mean.copy_(flat.mean(0))
    codec.latent_std.copy_(flat.std(0).clamp(min=1e-3))
