"""Trains an in-context LoRA on a large backbone, by the published recipe.

Defaults as in LTX-2's trainer (`configs/v2v_ic_lora.yaml`): rank = alpha = 32 on attention and feed-forward, AdamW
with learning rate 2e-4, batch 1, loss on target tokens alone, the first frame given clean one time in five,
timesteps shifted logit-normal with a tenth uniform.

    CHECKPOINT/latents.safetensors     every clip's latents, encoded once; they name the data and model they are of
    CHECKPOINT/lora.safetensors        the LoRA in diffusers' layout, its recipe in the metadata
    CHECKPOINT/comfyui/                the same in the layout that ComfyUI reads
    CHECKPOINT/validation/             videos of the model so far, every 500 steps and at the end
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from peft import LoraConfig, get_peft_model_state_dict
from torch import Tensor, nn

from realmaster.errors import UserError
from realmaster.models.families.registry import Family
from realmaster.models.large.in_context import InContext, Reading, Reference
from realmaster.models.large.load import Expert, load_backbone
from realmaster.models.large.lora.names import comfyui_keys
from realmaster.models.large.lora.recipe import as_metadata
from realmaster.models.large.tokens import Prompt
from realmaster.models.tensor_files import save_tensors
from realmaster.training.clips import Clips, encode_clips
from realmaster.training.loop import Run, fit
from realmaster.training.recipe import Phase, Stage
from realmaster.training.settings import Train
from realmaster.training.watch import Watch

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


def add_lora(model: Any, family: Family) -> dict[str, nn.Parameter]:
    """A fresh LoRA on `model`; returns its parameters by name. They are f32, whatever the model is."""
    targets = [name for name, module in model.named_modules()
               if isinstance(module, nn.Linear) and name.endswith(tuple(f".{t}" for t in family.lora_targets))
               and "audio" not in name]
    model.add_adapter(LoraConfig(r=RANK, lora_alpha=RANK, target_modules=targets))
    found = {name: p for name, p in model.named_parameters() if ".lora_" in name}
    for p in found.values():
        p.data = p.data.float()
        p.requires_grad_(True)
    return found


def train_expert(run: Run, stage: Stage, expert: Expert, clips: Clips, reading: Reading, *,
                 family: Family, bounds: tuple[float, float], watch: Callable[[int], object]) -> None:
    """Trains the LoRA of one expert, in place, on sigmas within `bounds`."""
    torch.manual_seed(run.seed)
    model, context = expert.model.train(), InContext(expert.tokens, reading.reach)
    parameters = add_lora(model, family)
    model.enable_gradient_checkpointing()
    device, dtype = next(iter(parameters.values())).device, model.dtype
    patch = expert.tokens.patch

    def loss(rng: np.random.Generator, _phase: Phase) -> Tensor:
        at = int(rng.integers(len(clips.prompts)))
        clean = clips.photoreal[at:at + 1].float().to(device)
        references = [Reference(latents.to(device, dtype), reading.scale) for latents in clips.references(at)]
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
        velocity = context.joint(noisy, levels * 1000, text, references, reading.attention)
        error = (velocity.float() - (noise - clean)).square().mean((1, 3, 4))
        return (error * weight).sum() / weight.sum()

    fit(run, stage, parameters, loss, watch)


def check_settings(settings: Train) -> None:
    """Raises `UserError` if the settings say what only the tiny model has, or contradict each other."""
    for flag, value, allowed in (("--preset ", settings.preset, {None, "smoke"}), ("", settings.stage, {"all"}),
                                 ("--variant ", settings.variant, {"tiny"})):
        if value not in allowed:
            raise UserError(f"{flag}{value} is for the tiny model: a large one is trained in one stage, of {STEPS} "
                            f"steps, or of {SMOKE_STEPS} with --preset smoke")
    if settings.reference_reach is not None and settings.attention == "full":
        raise UserError("--reference-reach is for --attention one_way")


def train_large(settings: Train, folder: Path) -> None:
    """Trains the LoRAs that are missing of the model in `folder`, one for each expert."""
    reading = Reading(settings.attention, settings.reference_scale, settings.reference_reach, settings.guides)
    processes = PartialState(cpu=not torch.cuda.is_available())
    device = str(processes.device)
    backbone = load_backbone(folder, torch.bfloat16 if torch.cuda.is_available() else torch.float32)
    backbone.place(device)
    backbone.check_attention(reading.attention)
    run = Run(settings.checkpoint, settings.seed, settings.tensorboard)
    with processes.main_process_first():  # the others read what it wrote
        clips = encode_clips(settings, backbone, reading, device)
    watch = Watch(settings, backbone, reading, device)
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
        name = "-".join([part, *as_metadata(reading).values()]).replace(" ", "+")
        stage = Stage(name, (Phase(steps, 1, (0, 0)),), PEAK)
        train_expert(run, stage, expert, clips, reading, family=backbone.family, bounds=bounds,
                     watch=lambda step, part=part: watch(f"{part}_{step:06d}"))
        recipe = as_metadata(reading) | {
            "rank": str(RANK), "alpha": str(RANK), "base": folder.name, "family": backbone.family.name,
            "steps": str(steps), "clips": str(len(clips.prompts)), "seed": str(settings.seed)}
        if len(backbone.experts) > 1:
            recipe["expert"] = part
        if processes.is_main_process:
            watch(f"{part}_{steps:06d}")
            save_lora(expert.model, path, backbone.family, recipe)
            run.state_file(stage.name).unlink(missing_ok=True)
            together = f" in {processes.num_processes} processes" if processes.num_processes > 1 else ""
            print(f"{path}: trained {steps} steps on {len(clips.prompts)} clips{together}")
        processes.wait_for_everyone()


def save_lora(model: Any, path: Path, family: Family, recipe: dict[str, str]) -> None:
    """Writes the adapter in diffusers' layout, and beside it in ComfyUI's."""
    state = {f"transformer.{k}": v.detach().to("cpu", torch.bfloat16)
             for k, v in get_peft_model_state_dict(model).items()}
    comfyui = path.parent / "comfyui" / path.name
    comfyui.parent.mkdir(parents=True, exist_ok=True)
    save_tensors(comfyui_keys(state, family), comfyui, recipe)
    save_tensors(state, path, recipe)
