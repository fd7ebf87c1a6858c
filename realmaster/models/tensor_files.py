"""Safetensors files: one reader, which undoes 8-bit storage, and one writer. Imports torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from realmaster.errors import UserError

SCALES = (".scale_weight", ".weight_scale", ".weight_scale_inv")
"""How ComfyUI's and other fp8 files name the number, or one a row, that a stored weight is multiplied by."""
UNUSED = (".scale_input", ".input_scale", "scaled_fp8", ".comfy_quant")
"""What such files hold for multiplying in fp8, which is not done here."""
FP8 = (torch.float8_e4m3fn, torch.float8_e5m2)


def read_tensors(path: Path, dtype: torch.dtype = torch.float32) -> tuple[dict[str, Tensor], dict[str, str]]:
    """All tensors of a file by name, and its metadata. What is stored in fp8 comes as `dtype`, scaled if it was.

    Raises `UserError` if the file cannot be read or is quantised in another way.
    """
    try:
        with safe_open(path, "pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            metadata = dict(file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path} is not a readable safetensors file: copy it again ({error})") from error
    return _dequantised(tensors, path, dtype), metadata


def save_tensors(tensors: Mapping[str, Tensor], path: Path, metadata: dict[str, str] | None = None) -> None:
    """Writes a file whole or not at all, readable by whom the umask lets (safetensors alone makes it 0600)."""
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    part.touch()
    mode = part.stat().st_mode
    save_file({key: value.contiguous() for key, value in tensors.items()}, part, metadata=metadata)
    part.chmod(mode)
    part.rename(path)


def _dequantised(tensors: dict[str, Tensor], path: Path, dtype: torch.dtype) -> dict[str, Tensor]:
    scales: dict[str, Tensor] = {}
    for key in list(tensors):
        suffix = next((s for s in SCALES if key.endswith(s)), None)
        if suffix is not None:
            scales[f"{key.removesuffix(suffix)}.weight"] = tensors.pop(key)
        elif key.endswith(UNUSED):
            del tensors[key]
    for key, value in tensors.items():
        if value.dtype in FP8:
            tensors[key] = _scaled(value, scales.pop(key, None), f"{key} in {path}").to(dtype)
    if scales:
        raise UserError(f"{path} is quantised in a way that is not read here ({min(scales)} is no fp8): take the file "
                        "in fp16, bf16 or fp8")
    return tensors


def _scaled(weight: Tensor, scale: Tensor | None, name: str) -> Tensor:
    if scale is None:
        return weight.float()
    if scale.numel() not in {1, len(weight)}:
        raise UserError(f"{name} is scaled in blocks, which is not read here: take the file in fp16, bf16 or fp8 with "
                        "one scale a weight")
    return weight.float() * scale.float().reshape(-1, *[1] * (weight.ndim - 1))
