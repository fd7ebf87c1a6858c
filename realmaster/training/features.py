"""Features of a small ImageNet network, by which training compares pictures (Johnson et al.,
"Perceptual Losses for Real-Time Style Transfer and Super-Resolution", 2016).

SqueezeNet 1.1 (Iandola et al., 2016), from a safetensors file with torchvision's names (`features.0.weight`, ...,
`features.12.expand3x3.bias`). Nothing needs it but training, which also runs without.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from realmaster.errors import UserError
from realmaster.models.tensor_files import read_tensors

FIRES = (3, 4, 6, 7, 9, 10)
"""Numbers of the fire modules in torchvision's `squeezenet1_1.features`, as far as they are used."""
POOLED = {3, 6, 9}
"""Those before which the picture is halved."""
COMPARED = {4, 7, 10}
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of pictures in [0, 1], as ImageNet's networks are given them."""


class Features:
    """Reads the file. Raises `UserError` if it is none."""

    def __init__(self, path: Path) -> None:
        weights, _ = read_tensors(path)
        names = ["0", *(f"{n}.{part}" for n in FIRES for part in ("squeeze", "expand1x1", "expand3x3"))]
        try:
            self._layers = {name: (weights[f"features.{name}.weight"].float(), weights[f"features.{name}.bias"].float())
                            for name in names}
        except KeyError as error:
            raise UserError(f"{path} holds no SqueezeNet 1.1 by torchvision's names: it lacks {error}") from error

    def __call__(self, picture: Tensor) -> list[Tensor]:
        """Features of (N, 3, H, W) in [-1, 1], of length 1 at every place."""
        x = ((picture + 1) / 2 - torch.tensor(MEAN)[:, None, None]) / torch.tensor(DEVIATION)[:, None, None]
        x = F.relu(self._convolve("0", x, stride=2))
        seen = [x]
        for n in FIRES:
            if n in POOLED:
                x = F.max_pool2d(x, 3, 2, ceil_mode=True)
            x = F.relu(self._convolve(f"{n}.squeeze", x))
            x = F.relu(torch.cat([self._convolve(f"{n}.expand1x1", x), self._convolve(f"{n}.expand3x3", x, 1)], 1))
            if n in COMPARED:
                seen.append(x)
        return [F.normalize(x, dim=1, eps=1e-3) for x in seen]

    def distance(self, out: Tensor, photo: Tensor) -> Tensor:
        """Squared distance of the features at each place, mean over places, sum over layers."""
        with torch.no_grad():
            wanted = self(photo)
        return torch.stack([(a - b).square().sum(1).mean()
                            for a, b in zip(self(out), wanted, strict=True)]).sum()

    def _convolve(self, name: str, x: Tensor, padding: int = 0, stride: int = 1) -> Tensor:
        weight, bias = self._layers[name]
        return F.conv2d(x, weight, bias, stride, padding)
