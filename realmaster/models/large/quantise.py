"""Eight-bit weights for large backbones, by torchao."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from realmaster.errors import UserError
from realmaster.models.large.load import Backbone


def quantise(backbone: Backbone, precision: str, device: str) -> None:
    """Quantises the linear layers of all blocks, in place; what is around the blocks stays as it is.

    Layer by layer on `device`, where the transformers then are: the whole in 16 bits need not fit there.

    `int8` keeps weights alone in 8 bits, which halves their memory and runs anywhere; `fp8` multiplies in 8 bits too,
    which is faster and needs a GPU of compute capability 8.9. Raises `UserError` if that, or torchao, is missing.
    """
    try:
        from torchao import quantization as ao  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise UserError(f"--precision {precision} needs torchao: pip install torchao") from error
    if precision == "fp8" and (not torch.cuda.is_available() or torch.cuda.get_device_capability() < (8, 9)):
        raise UserError("--precision fp8 needs a GPU of compute capability 8.9 (RTX 40, L40S, H100) or newer: use int8")
    config = (ao.Float8DynamicActivationFloat8WeightConfig() if precision == "fp8"
              else ao.Int8WeightOnlyConfig())
    for expert in backbone.experts:
        ao.quantize_(expert.model, config, filter_fn=_in_block, device=device)


def _in_block(module: Any, name: str) -> bool:
    """A LoRA that is live keeps its own precision."""
    return isinstance(module, nn.Linear) and "blocks." in name and ".lora_" not in name
