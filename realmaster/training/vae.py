"""Trains the tiny autoencoder on both halves of the pairs."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from realmaster.models.tiny_vae import LATENT_CHANNELS, TinyVAE
from realmaster.progress import Progress
from realmaster.training.data import load_pairs, random_crops


def _jitter_colour(rng: np.random.Generator, video: Tensor) -> Tensor:
    """Random channel gains and offsets, so that other games' colours survive the round trip."""
    gain = torch.from_numpy(rng.uniform(0.6, 1.2, (len(video), 1, 3, 1, 1)).astype(np.float32))
    offset = torch.from_numpy(rng.uniform(-0.2, 0.2, (len(video), 1, 3, 1, 1)).astype(np.float32))
    keep = torch.from_numpy(rng.random((len(video), 1, 1, 1, 1)) < 0.6)
    return torch.where(keep, video, (video * gain + offset).clamp(-1, 1))


def picture_loss(out: Tensor, video: Tensor) -> Tensor:
    """Absolute error of the pixels, and of their differences in x and y, which keeps edges."""
    loss = (out - video).abs().mean() + 2 * (out - video).square().mean()
    for dim in (-1, -2):
        loss = loss + (out.diff(dim=dim) - video.diff(dim=dim)).abs().mean()
    return loss


def train_vae(pairs: Path, out: Path, minutes: float, batch: int = 6, seed: int = 0) -> None:
    """Trains for `minutes` and saves to `out`; a checkpoint that is already there is trained further."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    clips = np.concatenate(load_pairs(pairs))
    vae = TinyVAE.load(out).train() if (out / "config.json").exists() else TinyVAE()
    vae.latent_mean.zero_()
    vae.latent_std.fill_(1)
    optimizer = torch.optim.AdamW(vae.parameters(), lr=1e-3, weight_decay=1e-4)
    started, step, seen = time.monotonic(), 0, 0
    progress = Progress("vae", round(minutes * 60), "s", clock=time.monotonic)
    running = 0.0
    while (spent := time.monotonic() - started) < minutes * 60:
        for group in optimizer.param_groups:
            group["lr"] = 1.5e-3 * min(1, (step + 1) / 50) * (0.5 + 0.5 * np.cos(np.pi * spent / (minutes * 60))) + 1e-5
        (video,) = random_crops(rng, [clips], (batch, 9, 96, 128))
        video = _jitter_colour(rng, video)
        with torch.autocast("cpu", torch.bfloat16):
            latent = vae.encode(video)
            loss = picture_loss(vae.decode(latent).float(), video) + 1e-3 * latent.float().square().mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimizer.step()
        running = 0.98 * running + 0.02 * loss.item() if step else loss.item()
        step += 1
        progress.step(int(spent) - seen, note=f"step {step} loss {running:.4f}")
        seen = int(spent)
    progress.close()
    _normalise(vae.eval(), clips, rng)
    vae.save(out)


@torch.no_grad()
def _normalise(vae: TinyVAE, clips: np.ndarray, rng: np.random.Generator) -> None:
    """Measures the latents' mean and deviation per channel and stores them in the model."""
    height, width = clips.shape[2:4]
    latents = [vae.encode(random_crops(rng, [clips], (4, 9, height, width))[0]) for _ in range(12)]
    flat = torch.cat(latents).movedim(1, -1).reshape(-1, LATENT_CHANNELS)
    vae.latent_mean.copy_(flat.mean(0))
    vae.latent_std.copy_(flat.std(0))
