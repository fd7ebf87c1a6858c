"""LPIPS, a perceptual distance, for those who have its weights: none come along, and none are downloaded.

Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", 2018: features of AlexNet after
each of its five convolutions, normalised by channel, their squared differences weighted and averaged over the picture.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F

from realmaster.errors import UserError

LAYERS = ((0, 4, 2), (3, 1, 2), (6, 1, 1), (8, 1, 1), (10, 1, 1))
"""Number in torchvision's `alexnet.features`, stride and padding of each convolution; the second and third are pooled
before."""
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""Of pictures in [-1, 1], so that they are as AlexNet saw them (LPIPS's own `ScalingLayer`)."""


class Lpips:
    """Reads a safetensors file with torchvision's names for AlexNet (`features.0.weight`) and LPIPS's for its weights
    of the layers (`lin0.model.1.weight`). Raises `UserError` if it is none.
    """

    def __init__(self, path: Path) -> None:
        try:
            weights = {name: tensor.float() for name, tensor in load_file(path).items()}
            self._convolutions = [(weights[f"features.{n}.weight"], weights[f"features.{n}.bias"], stride, padding)
                                  for n, stride, padding in LAYERS]
            self._lins = [weights[f"lin{i}.model.1.weight"] for i in range(len(LAYERS))]
        except (OSError, SafetensorError, KeyError) as error:
            raise UserError(f"{path} holds no LPIPS weights: it needs torchvision's alexnet (features.0.weight, ...) "
                            f"and LPIPS's lin0.model.1.weight to lin4 in one safetensors file ({error})") from error

    @torch.no_grad()
    def distance(self, video: NDArray[np.uint8], truth: NDArray[np.uint8]) -> float:
        """Mean over the frames of two clips (T, H, W, 3) u8."""
        distances: list[float] = []
        for a, b in zip(video, truth, strict=True):
            total = 0.0
            for lin, x, y in zip(self._lins, self._features(a), self._features(b), strict=True):
                total += float(F.conv2d((x - y).square(), lin).mean())
            distances.append(total)
        return float(np.mean(distances))

    def _features(self, picture: NDArray[np.uint8]) -> list[Tensor]:
        x = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None].float() / 127.5 - 1
        x = (x - torch.tensor(SHIFT)[:, None, None]) / torch.tensor(SCALE)[:, None, None]
        features: list[Tensor] = []
        for i, (weight, bias, stride, padding) in enumerate(self._convolutions):
            if i in {1, 2}:
                x = F.max_pool2d(x, 3, 2)
            x = F.relu(F.conv2d(x, weight, bias, stride, padding))
            features.append(x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10))
        return features
