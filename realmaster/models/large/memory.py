"""Whether a large model fits, before it is loaded: from the headers of its files, and the memory that is free."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from realmaster.errors import UserError
from realmaster.models.large.cost import working_gb

BYTES = {"fp32": 4, "bf16": 2, "int8": 1, "fp8": 1}
"""A weight's, by precision."""


def weights_gb(folder: Path, size: float) -> float:
    """GB of transformers and autoencoder at `size` bytes a number. A file that cannot be read counts nothing."""
    files = [file for part in ("transformer", "transformer_2", "vae") for file in (folder / part).glob("*.safetensors")]
    return size * sum(_numbers(file) for file in files) / 1e9


def _numbers(file: Path) -> int:
    try:
        with safe_open(file, "pt") as opened:
            return sum(math.prod(opened.get_slice(key).get_shape()) for key in opened.keys())  # noqa: SIM118
    except (SafetensorError, OSError):
        return 0  # loading it will say what is wrong


def free_gb(device: str) -> float:
    """GB of the GPU's memory, or of this machine's, that can be had now."""
    if device == "cuda":
        return torch.cuda.mem_get_info()[0] / 1e9
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable")) * 1024 / 1e9


def check_weights(folder: Path, precision: str, device: str, low_memory: bool) -> None:
    """Raises `UserError` if the weights alone do not fit: on the GPU or, with `low_memory`, in main memory."""
    where = "cpu" if low_memory else device
    need, free = weights_gb(folder, BYTES[precision]), free_gb(where)
    if need > free:
        raise UserError(f"the weights in {folder} are {need:.1f} GB in {precision}, but only {free:.1f} GB of "
                        f"{_name(where)} memory are free: {_remedy(folder, precision, device, low_memory)}")


def check_working(model: Any, tokens: int, attention: str, device: str, low_memory: bool) -> None:
    """The same for what a window of so many tokens takes besides the weights of one expert."""
    config, size = model.config, next(model.parameters()).element_size()
    width, feed_forward = config.num_attention_heads * config.attention_head_dim, config.get("ffn_dim")
    need = working_gb((width, config.num_layers, feed_forward or 4 * width), tokens, attention, size)
    free = free_gb(device)
    if device == "cuda" and not low_memory:
        free -= sum(p.numel() * p.element_size() for p in model.parameters() if p.device.type != device) / 1e9
    if need > free:
        raise UserError(f"windows of {tokens} tokens take about {need:.1f} GB besides the weights, and only "
                        f"{free:.1f} GB of {_name(device)} memory are left: choose a lower --resolution or --length")


def _name(device: str) -> str:
    return "GPU" if device == "cuda" else "main"


def _remedy(folder: Path, precision: str, device: str, low_memory: bool) -> str:
    smaller = [f"--precision {name} ({weights_gb(folder, BYTES[name]):.1f} GB)" for name in ("bf16", "int8")
               if BYTES[name] < BYTES[precision]]
    offload = ["--low-memory"] if device == "cuda" and not low_memory else []
    return "try " + ", ".join([*smaller, *offload, "a smaller model (`realmaster models`)"])
