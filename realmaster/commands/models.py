"""`realmaster models`: what is known, what is here, what would fit and how fast it could be."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from realmaster.config import Models
from realmaster.errors import UserError
from realmaster.models.families.registry import known_models
from realmaster.models.large.cost import EFFICIENCY, GPUS, KnownModel, frames_per_second

NOTES = f"""
fps: new frames a second of the denoiser alone, an estimate at {EFFICIENCY:.0%} of the GPU's dense bf16 rate.
needs: bf16, without the text encoder, which has gone by then.
Render: `realmaster render VIDEO -o OUT.mp4 --model HUB_ID_OR_FOLDER --lora FILE`; see docs/MODELS.md."""

DRIVER_SECONDS = 10.0
"""How long the driver may take to name its GPU."""


def run(settings: Models) -> int:
    """Prints the table."""
    name, tflops, memory = _gpu(settings.gpu)
    width, height = settings.resolution
    print(f"{name}; windows of {settings.length} frames at {width}x{height}, overlap {settings.overlap}, "
          f"{settings.steps} steps, attention {settings.attention}\n")
    print(f"{'model':14} {'weights':>8} {'needs':>8}  {'fits':5} {'fps':>6}  {'here':5} licence, hub id")
    for model in known_models():
        tokens = model.tokens(width, height, settings.length)
        need = model.memory_gb(tokens, settings.attention)
        fps = frames_per_second(model, (width, height, settings.length), overlap=settings.overlap,
                                steps=settings.steps, attention=settings.attention, tflops=tflops)
        print(f"{model.name:14} {2 * model.billions * model.experts:5.1f} GB {need:5.1f} GB  "
              f"{'yes' if need <= memory else 'no':5} {fps:6.1f}  {'yes' if _installed(model) else '-':5} "
              f"{model.licence}, {model.hub}")
    print(NOTES)
    return 0


def _gpu(asked: str) -> tuple[str, float, float]:
    """Name, TFLOP/s and GB of the GPU that was asked for, or of this machine's."""
    found = asked or _local_gpu()
    for name, (tflops, memory) in GPUS.items():
        if name.lower().replace("rtx ", "") in found.lower():
            return name, tflops, memory
    if asked:
        raise UserError(f"no figures for {asked!r}: known are {', '.join(GPUS)}")
    return f"{found or 'no GPU here'}, so figures are for an RTX 4090 (choose with --gpu)", *GPUS["RTX 4090"]


def _local_gpu() -> str:
    """What the driver calls this machine's first GPU; empty without one."""
    if shutil.which("nvidia-smi") is None:
        return ""
    try:
        done = subprocess.run(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"], capture_output=True,
                              text=True, check=False, timeout=DRIVER_SECONDS)
    except subprocess.TimeoutExpired:
        return ""  # a driver that hangs
    return done.stdout.splitlines()[0] if done.returncode == 0 and done.stdout else ""


def _installed(model: KnownModel) -> bool:
    """Whether the hub's cache on this machine has the model."""
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    hub = Path(os.environ.get("HF_HUB_CACHE") or home / "hub")
    return any((hub / f"models--{model.hub.replace('/', '--')}").glob("snapshots/*/transformer/config.json"))
