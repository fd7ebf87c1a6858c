"""Trains the base video transformer (photoreal latents only), then the in-context LoRA on pairs.

Flow matching: x_t = (1 - sigma) x_0 + sigma noise, target velocity noise - x_0 (Lipman et al.,
"Flow Matching for Generative Modeling", 2023). The LoRA's loss covers target tokens only.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from diffusers.models.transformers.transformer_wan import WanTransformer3DModel
from peft import LoraConfig
from torch import Tensor, nn

from realmaster.models.in_context import LORA_TARGETS, InContext
from realmaster.models.tiny import load_lora, load_transformer, null_prompt, save_lora
from realmaster.models.tiny_vae import LATENT_CHANNELS, TinyVAE
from realmaster.progress import Progress
from realmaster.training.data import load_pairs, random_crops
from realmaster.training.vae import picture_loss

FRAMES = 13
RANK = 64
PIXELS_PER_STEP = 6 * 96 * 128


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


def _fit(label: str, parameters: list[nn.Parameter], loss: Callable[[], Tensor], minutes: float,
         peak: float) -> None:
    """AdamW with warm-up and cosine decay for `minutes`; leaves an exponential moving average in place."""
    optimizer = torch.optim.AdamW(parameters, lr=peak, weight_decay=1e-4, betas=(0.9, 0.95))
    shadow = [p.detach().clone() for p in parameters]
    progress = Progress(label, round(minutes * 60), "s", clock=time.monotonic)
    started, step, seen, running = time.monotonic(), 0, 0, 0.0
    while (spent := time.monotonic() - started) < minutes * 60:
        done = spent / (minutes * 60)
        for group in optimizer.param_groups:
            group["lr"] = peak * min(1, (step + 1) / 50) * (0.5 + 0.5 * np.cos(np.pi * done)) + peak / 100
        value = loss()
        optimizer.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        decay = min(0.99, step / (step + 10))
        for s, p in zip(shadow, parameters, strict=True):
            s.lerp_(p.detach(), 1 - decay)
        running = 0.98 * running + 0.02 * value.item() if step else value.item()
        step += 1
        progress.step(int(spent) - seen, note=f"step {step} loss {running:.4f}")
        seen = int(spent)
    progress.close()
    with torch.no_grad():
        for s, p in zip(shadow, parameters, strict=True):
            p.copy_(s)


def train_base(pairs: Path, checkpoint: Path, minutes: float, batch: int = 8, seed: int = 0) -> None:
    """Trains the unconditional base on photoreal clips; writes `checkpoint/transformer`."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    _, photoreal = load_pairs(pairs)
    vae = TinyVAE.load(checkpoint / "vae")
    folder = checkpoint / "transformer"
    model = load_transformer(folder) if folder.exists() else new_transformer()
    model.train()
    context = InContext(model)

    def loss() -> Tensor:
        (video,) = random_crops(rng, [photoreal], (batch, FRAMES, 64, 96))
        with torch.no_grad():
            clean = vae.encode(video)
        sigma, noise = sample_sigma(batch, 0.1), torch.randn_like(clean)
        s = sigma[:, None, None, None, None]
        with torch.autocast("cpu", torch.bfloat16):
            velocity = context.plain((1 - s) * clean + s * noise, sigma * 1000, null_prompt(batch))
        return (velocity.float() - (noise - clean)).square().mean()

    _fit("base", list(model.parameters()), loss, minutes, 1e-3)
    # The trained file is fp16: a third of the size, and the error is far below training noise.
    model.half().save_pretrained(folder)


def train_lora(pairs: Path, checkpoint: Path, minutes: float, crop: tuple[int, int], seed: int = 0) -> None:
    """Trains the in-context LoRA (attention mode one_way) on pairs; writes `checkpoint/lora.safetensors`.

    `crop` is height and width. Small crops learn fast, but attention does not extrapolate to positions it
    never saw (whole frames come out with ghosts): end with crops as large as the frames.
    """
    batch = max(2, PIXELS_PER_STEP // (crop[0] * crop[1]))
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    arrays = list(load_pairs(pairs))
    vae = TinyVAE.load(checkpoint / "vae").requires_grad_(False)
    model = load_transformer(checkpoint / "transformer").requires_grad_(False)
    lora = checkpoint / "lora.safetensors"
    if lora.exists():
        load_lora(model, lora, trainable=True)
    else:
        model.add_adapter(LoraConfig(r=RANK, lora_alpha=RANK, target_modules=LORA_TARGETS))
    model.train()
    context = InContext(model)
    parameters = [p for n, p in model.named_parameters() if "lora_" in n]
    for p in parameters:
        p.requires_grad_(True)

    def loss() -> Tensor:
        rendered, photoreal = random_crops(rng, arrays, (batch, FRAMES, *crop))
        with torch.no_grad():
            reference, clean = vae.encode(rendered), vae.encode(photoreal)
        sigma, noise = sample_sigma(batch, 0.5), torch.randn_like(clean)
        s = sigma[:, None, None, None, None]
        noisy, prompt = (1 - s) * clean + s * noise, null_prompt(batch)
        with torch.autocast("cpu", torch.bfloat16):
            velocity = context.read(noisy, sigma * 1000, prompt, context.write(reference, prompt))
        return (velocity.float() - (noise - clean)).square().mean()

    _fit("lora", parameters, loss, minutes, 1e-3 if lora.exists() else 2e-3)
    save_lora(model, lora, {"attention": "one_way", "rank": str(RANK), "alpha": str(RANK),
                            "reference_downscale_factor": "1", "base": "tiny"})


def train_decoder(pairs: Path, checkpoint: Path, minutes: float, batch: int = 6, seed: int = 0) -> None:
    """Trains the autoencoder's decoder, with the game's frames beside it, on what the LoRA really predicts.

    Three quarters of each batch are one-step predictions from pure noise, the rest encoded truth. The
    encoder stays as it is, so base and LoRA stay valid.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    arrays = list(load_pairs(pairs))
    vae = TinyVAE.load(checkpoint / "vae")
    model = load_transformer(checkpoint / "transformer")
    load_lora(model, checkpoint / "lora.safetensors")
    context = InContext(model.requires_grad_(False))
    vae.requires_grad_(True)
    vae.encoder.requires_grad_(False)
    predicted = round(0.75 * batch)

    def loss() -> Tensor:
        rendered, photoreal = random_crops(rng, arrays, (batch, FRAMES, 96, 128))
        with torch.autocast("cpu", torch.bfloat16):
            with torch.no_grad():
                latent = vae.encode(photoreal).float()
                reference, noise = vae.encode(rendered[:predicted]).float(), torch.randn_like(latent[:predicted])
                prompt, full = null_prompt(predicted), torch.full((predicted,), 1000.0)
                velocity = context.read(noise, full, prompt, context.write(reference, prompt))
                latent[:predicted] = noise - velocity.float()
            out = vae.decode(latent, rendered).float()
        return picture_loss(out, photoreal)

    _fit("decoder", [p for p in vae.parameters() if p.requires_grad], loss, minutes, 1e-3)
    vae.save(checkpoint / "vae")
