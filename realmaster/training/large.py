"""Trains an in-context LoRA on a large backbone, by the published recipe.

Defaults as in LTX-2's trainer (`configs/v2v_ic_lora.yaml`): rank = alpha = 32 on attention and feed-forward, AdamW
with learning rate 2e-4, batch 1, loss on target tokens alone, the first frame given clean one time in five,
timesteps shifted logit-normal with a tenth uniform.

    CHECKPOINT/latents.safetensors     every clip's latents, encoded once; they name the data and model they are of
    CHECKPOINT/lora.safetensors        the LoRA in diffusers' layout, its recipe in the metadata
    CHECKPOINT/comfyui/                the same in the layout that ComfyUI reads
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peft import LoraConfig, get_peft_model_state_dict
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from realmaster.backbones.in_context import LORA_TARGETS, InContext, Reference
from realmaster.backbones.load import Backbone, Expert, load_backbone
from realmaster.backbones.lora import comfyui_keys
from realmaster.backbones.text import prompts_for
from realmaster.backbones.tokens import Prompt
from realmaster.errors import UserError
from realmaster.pairs.dataset import Dataset
from realmaster.training.data import to_tensor
from realmaster.training.loop import Run, fit
from realmaster.training.recipe import Phase, Stage
from realmaster.training.settings import Train

RANK, PEAK, STEPS, SMOKE_STEPS = 32, 2e-4, 3000, 8
FIRST_FRAME, UNIFORM = 0.2, 0.1


def sample_timestep(batch: int, tokens: int, low: float, high: float) -> Tensor:
    """(B,) sigmas in [low, high]: logit-normal, shifted by the sequence's length, a tenth uniform.

    The mean goes from 0.95 at 1024 tokens to 2.05 at 4096, the values are stretched from their percentiles 0.5 and
    99.9 to [0, 1] (LTX-2's `shifted_logit_normal`).
    """
    mean = 0.95 + (tokens - 1024) * (2.05 - 0.95) / (4096 - 1024)
    ends = torch.sigmoid(mean + torch.tensor([-2.5758, 3.0902]))
    sigma = ((torch.sigmoid(mean + torch.randn(batch)) - ends[0]) / (ends[1] - ends[0])).clamp(0, 1)
    sigma = torch.where(torch.rand(batch) < UNIFORM, torch.rand(batch), sigma)
    return low + (high - low) * sigma


@dataclass(frozen=True)
class Clips:
    """Latents (N, C, L, h, w) f16 of both halves of every pair, and each one's prompt."""

    rendered: Tensor
    photoreal: Tensor
    prompts: list[Prompt]


def _fitting(frames: np.ndarray, backbone: Backbone, scale: int) -> Tensor:
    """(1, T, 3, H, W): as many frames and pixels as the model's grid takes, from the middle of the picture."""
    time, spatial, _ = backbone.video.grid
    step = spatial * max(backbone.experts[0].tokens.patch[1:]) * scale
    count = (len(frames) - 1) // time * time + 1
    height, width = (n // step * step for n in frames.shape[1:3])
    if not height or not width:
        raise UserError(f"the clips are {frames.shape[2]}x{frames.shape[1]}, this model needs {step}x{step} at least: "
                        "render larger ones with `realmaster pairs render`")
    top, left = (frames.shape[1] - height) // 2, (frames.shape[2] - width) // 2
    return to_tensor(frames[None, :count, top:top + height, left:left + width])


def encode_clips(settings: Train, backbone: Backbone, device: str) -> Clips:
    """Every training clip through the autoencoder, once: kept on disk for the next run."""
    dataset = Dataset(settings.data)
    clips = dataset.split("train")
    facts = f"{settings.reference_scale} {backbone.folder.resolve()} " + "".join(
        digest for clip in clips for digest in clip.sha256.values())
    key, path = hashlib.sha256(facts.encode()).hexdigest(), settings.checkpoint / "latents.safetensors"
    prompts = prompts_for(backbone.folder, backbone.family, [clip.caption for clip in clips], torch.float32)
    if path.exists():
        with safe_open(path, "pt") as file:
            if (file.metadata() or {}).get("of") == key:
                return Clips(file.get_tensor("rendered"), file.get_tensor("photoreal"), prompts)
    halves: dict[str, list[Tensor]] = {"rendered": [], "photoreal": []}
    for clip in clips:
        pair, scale = dataset.load(clip), settings.reference_scale
        rendered = _fitting(pair.rendered, backbone, scale)
        small = nn.functional.avg_pool3d(rendered, (1, scale, scale)) if scale > 1 else rendered
        halves["rendered"].append(backbone.video.encode(small.to(device)).half().cpu())
        photoreal = _fitting(pair.photoreal, backbone, scale).to(device)
        halves["photoreal"].append(backbone.video.encode(photoreal).half().cpu())
    latents = {name: torch.cat(parts) for name, parts in halves.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(latents, path, metadata={"of": key})
    return Clips(latents["rendered"], latents["photoreal"], prompts)


def add_lora(model: Any) -> dict[str, nn.Parameter]:
    """A fresh LoRA on `model`; returns its parameters by name. They are f32, whatever the model is."""
    targets = [name for name, module in model.named_modules()
               if isinstance(module, nn.Linear) and name.endswith(tuple(f".{t}" for t in LORA_TARGETS))
               and "audio" not in name]
    model.add_adapter(LoraConfig(r=RANK, lora_alpha=RANK, target_modules=targets))
    found = {name: p for name, p in model.named_parameters() if ".lora_" in name}
    for p in found.values():
        p.data = p.data.float()
        p.requires_grad_(True)
    return found


def train_expert(run: Run, stage: Stage, expert: Expert, clips: Clips, settings: Train, *,
                 bounds: tuple[float, float]) -> None:
    """Trains the LoRA of one expert, in place, on sigmas within `bounds`."""
    torch.manual_seed(run.seed)
    model, context = expert.model.train(), InContext(expert.tokens)
    parameters = add_lora(model)
    model.enable_gradient_checkpointing()
    device, dtype = next(iter(parameters.values())).device, model.dtype
    patch = expert.tokens.patch

    def loss(rng: np.random.Generator, _phase: Phase) -> Tensor:
        at = int(rng.integers(len(clips.prompts)))
        clean, reference = (half[at:at + 1].float().to(device) for half in (clips.photoreal, clips.rendered))
        tokens = clean[0, 0].numel() // (patch.frames * patch.height * patch.width)
        sigma = sample_timestep(1, tokens, *bounds).to(device)
        levels = sigma[:, None].repeat(1, clean.shape[2])
        weight = torch.ones_like(levels)
        if clean.shape[2] > 1 and rng.random() < FIRST_FRAME:
            levels[:, 0], weight[:, 0] = 0, 0
        noise, s = torch.randn(clean.shape).to(device), levels[:, None, :, None, None]
        noisy = ((1 - s) * clean + s * noise).to(dtype)
        prompt = clips.prompts[at]
        text = Prompt(prompt.embeds.to(device, dtype), None if prompt.mask is None else prompt.mask.to(device))
        velocity = context.joint(noisy, levels * 1000, text,
                                 [Reference(reference.to(dtype), settings.reference_scale)], settings.attention)
        error = (velocity.float() - (noise - clean)).square().mean((1, 3, 4))
        return (error * weight).sum() / weight.sum()

    fit(run, stage, parameters, loss)


def train_large(settings: Train, folder: Path) -> None:
    """Trains the LoRAs that are missing of the model in `folder`, one for each expert."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    backbone = load_backbone(folder, torch.bfloat16 if device == "cuda" else torch.float32)
    backbone.place(device)
    backbone.check_attention(settings.attention)
    run = Run(settings.checkpoint, settings.seed, settings.tensorboard)
    clips = encode_clips(settings, backbone, device)
    backbone.video.vae.to("cpu")
    steps = SMOKE_STEPS if settings.preset == "smoke" else STEPS
    upper = 1.0
    for i, expert in enumerate(backbone.experts):
        part = ("transformer", "transformer_2")[i]
        path = settings.checkpoint / ("lora.safetensors" if i == 0 else "lora_2.safetensors")
        bounds, upper = (expert.lowest / 1000, upper), expert.lowest / 1000
        if path.exists():
            print(f"{path}: done before")
            continue
        stage = Stage(f"{part}-{settings.attention}", (Phase(steps, 1, (0, 0)),), PEAK)
        train_expert(run, stage, expert, clips, settings, bounds=bounds)
        recipe = {"attention": settings.attention, "reference_downscale_factor": str(settings.reference_scale),
                  "rank": str(RANK), "alpha": str(RANK), "base": folder.name, "family": backbone.family,
                  "steps": str(steps), "clips": str(len(clips.prompts)), "seed": str(settings.seed)}
        if len(backbone.experts) > 1:
            recipe["expert"] = part
        save_lora(expert.model, path, backbone.family, recipe)
        run.state_file(stage.name).unlink(missing_ok=True)
        print(f"{path}: trained {steps} steps on {len(clips.prompts)} clips")


def save_lora(model: Any, path: Path, family: str, recipe: dict[str, str]) -> None:
    """Writes the adapter in diffusers' layout, and beside it in ComfyUI's."""
    state = {f"transformer.{k}": v.detach().to("cpu", torch.bfloat16).contiguous()
             for k, v in get_peft_model_state_dict(model).items()}
    comfyui = path.parent / "comfyui" / path.name
    comfyui.parent.mkdir(parents=True, exist_ok=True)
    save_file(comfyui_keys(state, family), comfyui, metadata=recipe)
    save_file(state, path, metadata=recipe)
