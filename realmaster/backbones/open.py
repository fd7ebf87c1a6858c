"""From settings to a backbone that renders windows."""

from __future__ import annotations

from pathlib import Path

import torch

from realmaster.backbones.graphs import BackboneGraphs, Conditions
from realmaster.backbones.load import Backbone, load_backbone
from realmaster.backbones.lora import agree, merge, read_lora
from realmaster.backbones.text import prompts_for
from realmaster.config import Model
from realmaster.errors import UserError

LORA = "lora.safetensors"
"""The in-context LoRA in the model's own folder, if there is one."""


def open_graphs(folder: Path, settings: Model) -> BackboneGraphs:
    """Loads the model in `folder` with its LoRAs and prompt. Raises `UserError` saying what is wrong."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_num_threads(settings.threads)
    precision = settings.precision if settings.precision != "auto" else "bf16" if device == "cuda" else "fp32"
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    backbone = load_backbone(folder, dtype)
    tokens = _window_tokens(backbone, settings)
    paths = settings.lora or ((folder / LORA,) if (folder / LORA).is_file() else ())
    loras = [read_lora(path, backbone.family) for path in paths]
    attention, scale = agree(loras)
    if attention is None and settings.attention == "auto":
        raise UserError(f"{folder.name} needs an in-context LoRA, which reads the game's window: train one with "
                        f"`realmaster train --model {folder}`, or name one with --lora; if yours does not say how it "
                        "was trained, add --attention full or one_way")
    if settings.attention not in {"auto", attention} and attention is not None:
        raise UserError(f"--attention {settings.attention}: the LoRA was trained with {attention}, and the other mode "
                        "gives other keys and values" + (", which the cache would make wrong" if attention == "full"
                                                         else ""))
    mode = attention or ("one_way" if settings.attention == "one_way" else "full")
    backbone.check_attention(mode)
    merge(backbone, loras)
    backbone.place(device, settings.low_memory)
    prompt, negative = prompts_for(folder, backbone.family, (settings.prompt, ""), dtype)
    conditions = Conditions(mode, scale, prompt.to(device), negative.to(device), settings.guidance)
    return BackboneGraphs(backbone, conditions, backbone.shift(tokens), device)


def _window_tokens(backbone: Backbone, settings: Model) -> int:
    """Tokens of a window. Raises `UserError` if it is off the model's grid."""
    time, spatial, _ = backbone.video.grid
    step = spatial * max(backbone.experts[0].tokens.patch[1:])
    width, height = settings.resolution
    if width % step or height % step:
        raise UserError(f"--resolution {width} {height}: {backbone.folder.name} takes multiples of {step}")
    if (settings.length - 1) % time:
        raise UserError(f"--length {settings.length}: {backbone.folder.name} takes a multiple of {time} plus 1")
    return ((settings.length - 1) // time + 1) * (width // step) * (height // step)
