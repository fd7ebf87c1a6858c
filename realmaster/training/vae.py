"""Trains the tiny autoencoder on both halves of the pairs."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from realmaster.models.tiny.autoencoder import LATENT_CHANNELS, TinyVAE
from realmaster.training.data import Pairs, pick_places, windows
from realmaster.training.loop import Run, fit
from realmaster.training.recipe import Phase, Stage

FRAMES = 9


def _jitter_colour(rng: np.random.Generator, video: Tensor) -> Tensor:
    """Random channel gains and offsets, so that other games' colours survive the round trip."""
    gain = torch.from_numpy(rng.uniform(0.6, 1.2, (len(video), 1, 3, 1, 1)).astype(np.float32))
    offset = torch.from_numpy(rng.uniform(-0.2, 0.2, (len(video), 1, 3, 1, 1)).astype(np.float32))
    keep = torch.from_numpy(rng.random((len(video), 1, 1, 1, 1)) < 0.6)
    return torch.where(keep, video, (video * gain + offset).clamp(-1, 1))


def picture_loss(out: Tensor, video: Tensor) -> Tensor:
    """Absolute and squared error of the pixels, and of their differences in x and y, which keeps edges."""
    loss = (out - video).abs().mean() + 2 * (out - video).square().mean()
    for dim in (-1, -2):
        loss = loss + (out.diff(dim=dim) - video.diff(dim=dim)).abs().mean()
    return loss


def train_vae(run: Run, stage: Stage, pairs: Pairs) -> TinyVAE:
    """Trains from random weights, then measures the latents' mean and deviation."""
    torch.manual_seed(run.seed)
    vae = TinyVAE()
    halves = (pairs.rendered, pairs.photoreal)
    frames = min(FRAMES, (pairs.rendered.shape[1] - 1) // 4 * 4 + 1)

    def loss(rng: np.random.Generator, phase: Phase) -> Tensor:
        half = halves[int(rng.integers(2))]
        video = _jitter_colour(rng, windows(pick_places(rng, half, phase.batch, frames, phase.crop), half, frames,
                                            phase.crop))
        latent = vae.encode(video)
        return picture_loss(vae.decode(latent).float(), video) + 1e-3 * latent.float().square().mean()

    fit(run, stage, {n: p for n, p in vae.named_parameters() if not n.startswith(("skip", "gain"))}, loss)
    _normalise(vae.eval(), pairs, frames)
    return vae


@torch.no_grad()
def _normalise(vae: TinyVAE, pairs: Pairs, frames: int) -> None:
    """Measures the latents' mean and deviation per channel and stores them in the model."""
    rng = np.random.default_rng(0)
    size = pairs.rendered.shape[2], pairs.rendered.shape[3]
    latents = [vae.encode(windows(pick_places(rng, half, 4, frames, size), half, frames, size))
               for half in (pairs.rendered, pairs.photoreal) for _ in range(6)]
    flat = torch.cat([v.movedim(1, -1).reshape(-1, LATENT_CHANNELS) for v in latents])
    vae.latent_mean.copy_(flat.mean(0))
    vae.latent_std.copy_(flat.std(0))
