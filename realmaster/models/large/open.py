"""From settings to a backbone that renders windows."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from realmaster.config import Model
from realmaster.errors import UserError
from realmaster.models.large.folder import check_folder
from realmaster.models.large.graphs import BackboneGraphs, Running
from realmaster.models.large.in_context import Reading
from realmaster.models.large.load import Backbone, load_backbone
from realmaster.models.large.lora.apply import apply
from realmaster.models.large.lora.fit import fit
from realmaster.models.large.lora.read import Lora, agree, read_lora
from realmaster.models.large.memory import check_weights, check_working
from realmaster.models.large.quantise import quantise
from realmaster.models.large.text import prompts_for
from realmaster.models.large.tokens import Prompt

LORA = "lora.safetensors"
"""The in-context LoRA in the model's own folder, if there is one."""
MAX_WEIGHT = 100.0
"""Of a LoRA, at most, as in ComfyUI."""


def open_graphs(folder: Path, settings: Model) -> BackboneGraphs:
    """Loads the model in `folder` with its LoRAs. Raises `UserError` saying what is wrong."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_num_threads(settings.threads)
    precision = settings.precision if settings.precision != "auto" else "bf16" if device == "cuda" else "fp32"
    small = precision in {"int8", "fp8"}
    if small and settings.low_memory:
        raise UserError(f"--precision {precision} and --low-memory do not go together: take one of them")
    if settings.streaming_vae and settings.low_memory:
        raise UserError("--streaming-vae keeps whole frames, --low-memory works in tiles: take one of them")
    dtype = torch.float32 if precision == "fp32" else torch.bfloat16
    check_folder(folder)
    check_weights(folder, precision, device, settings.low_memory)
    backbone = load_backbone(folder, dtype, settings.tiny_vae)
    loras = _loras(folder, settings.lora)
    models = [expert.model for expert in backbone.experts]
    fits = [fit(lora, models, backbone.family) for lora in loras]
    for note in (note for found in fits for note in found.notes):
        print(note, file=sys.stderr)
    reading = _reading(folder, agree(loras), settings)
    tokens = _window_tokens(backbone, reading, settings)
    backbone.check_attention(reading.attention)
    strength = settings.reference_strength
    if strength != 1 and reading.attention == "one_way":
        raise UserError(f"--reference-strength {strength:g}: in attention mode one_way references are clean, or they "
                        "could not be kept from step to step; it is for LoRAs of mode full")
    apply(models, fits, settings.lora_mode)
    if small:
        quantise(backbone, precision, device)
    check_working(backbone.experts[0].model, tokens, reading.attention, device, settings.low_memory)
    backbone.place(device, settings.low_memory)
    if settings.kernels != "native":
        _use_kernels(backbone, settings.kernels)
    if settings.compile:
        for expert in backbone.experts:
            expert.model.compile_repeated_blocks(fullgraph=True)

    def read_prompt(text: str) -> Prompt:
        return prompts_for(folder, backbone.family, (text,), dtype)[0]

    read_prompt("")  # says now, not at the first window, if there is no text encoder
    running = replace(Running.of(backbone, reading, tokens), guidance=settings.guidance, strength=strength,
                      sigmas=_levels(settings.sigmas),
                      recorded=settings.compile and device == "cuda" and not settings.low_memory)
    return BackboneGraphs(backbone, running, read_prompt, device)


def _reading(folder: Path, told: Reading | None, settings: Model) -> Reading:
    """How the LoRAs read the window, by their word or by the settings. Raises `UserError` if these contradict."""
    if told is None and settings.attention == "auto":
        raise UserError(f"{folder.name} needs an in-context LoRA, which reads the game's window: train one with "
                        f"`realmaster train --model {folder}`, or name one with --lora; if yours does not say how it "
                        "was trained, add --attention full or one_way")
    if told is None:
        return Reading("one_way" if settings.attention == "one_way" else "full")
    if settings.attention not in {"auto", told.attention}:
        raise UserError(f"--attention {settings.attention}: the LoRA was trained with {told.attention}, and the other "
                        "mode gives other keys and values" + (", which the cache would make wrong"
                                                              if told.attention == "full" else ""))
    return told


def _use_kernels(backbone: Backbone, name: str) -> None:
    """Raises `UserError` if diffusers does not know the attention kernels, or lacks their package."""
    for expert in backbone.experts:
        try:
            expert.model.set_attention_backend(name)
        except (ValueError, RuntimeError) as error:
            raise UserError(f"--kernels {name}: {str(error).splitlines()[0]}") from error


def _loras(folder: Path, given: Sequence[str]) -> list[Lora]:
    """Reads FILE or FILE:WEIGHT, or the folder's own."""
    if not given:
        return [read_lora(folder / LORA)] if (folder / LORA).is_file() else []
    return [replace(read_lora(path), weight=weight) for path, weight in map(_weighted, given)]


def _weighted(text: str) -> tuple[Path, float]:
    """FILE and 1, or FILE:WEIGHT. Raises `UserError` if the weight is absurd."""
    path, _, last = text.rpartition(":")
    if not path or Path(text).exists():  # a colon may be part of a file's name
        return Path(text), 1.0
    try:
        weight = float(last)
    except ValueError:
        return Path(text), 1.0
    if not abs(weight) <= MAX_WEIGHT:
        raise UserError(f"--lora {text}: a weight is a number from -{MAX_WEIGHT:g} to {MAX_WEIGHT:g}, 1 for all of the "
                        "LoRA")
    return Path(path), weight


def _levels(sigmas: tuple[float, ...]) -> tuple[float, ...]:
    """Raises `UserError` if they do not fall from 1."""
    if sigmas and (sigmas[0] != 1 or any(a <= b for a, b in itertools.pairwise((*sigmas, 0.0)))):
        raise UserError(f"--sigmas {' '.join(map(str, sigmas))}: noise levels fall from 1, all above 0")
    return sigmas


def _window_tokens(backbone: Backbone, reading: Reading, settings: Model) -> int:
    """Tokens of a window. Raises `UserError` if it, or the smaller reference, is off the model's grid."""
    time, step = backbone.video.grid[0], backbone.step
    width, height = settings.resolution
    if width % (step * reading.scale) or height % (step * reading.scale):
        raise UserError(f"--resolution {width} {height}: {backbone.folder.name} takes multiples of "
                        f"{step * reading.scale}")
    if (settings.length - 1) % time:
        raise UserError(f"--length {settings.length}: {backbone.folder.name} takes a multiple of {time} plus 1")
    return backbone.window_tokens(width, height, settings.length)
