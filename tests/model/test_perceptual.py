"""LPIPS on random weights under the genuine names: its properties, and its formula, worked out another way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import save_file  # noqa: E402
from torch import nn  # noqa: E402

from realmaster.errors import UserError  # noqa: E402
from realmaster.evaluation.perceptual import SCALE, SHIFT, Lpips  # noqa: E402


def alexnet() -> nn.Sequential:
    """torchvision's `alexnet().features`, written out."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(),
        nn.MaxPool2d(3, 2), nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(), nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2))


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    weights = {f"features.{name}": value for name, value in alexnet().state_dict().items()}
    weights |= {f"lin{i}.model.1.weight": torch.rand(1, n, 1, 1) for i, n in enumerate((64, 192, 384, 256, 256))}
    save_file(weights, path := tmp_path_factory.mktemp("lpips") / "alex.safetensors")
    return path


def clips(*seeds: int) -> list[np.ndarray]:
    return [np.random.default_rng(seed).integers(0, 256, (2, 72, 96, 3), np.uint8) for seed in seeds]


def test_it_is_a_distance(file):
    lpips, (a, b) = Lpips(file), clips(0, 1)
    nearer = (a.astype(int) * 3 + b) // 4
    assert lpips.distance(a, a) == 0
    assert lpips.distance(a, b) == pytest.approx(lpips.distance(b, a))
    assert lpips.distance(a, b) > lpips.distance(a, nearer.astype(np.uint8)) > 0


@torch.no_grad()
def test_it_follows_the_papers_formula(file):
    lpips, (a, b) = Lpips(file), clips(2, 3)
    features, taken = alexnet(), {1, 4, 7, 9, 11}
    expected = 0.0
    for pair in zip(a, b, strict=True):
        x = torch.stack([torch.from_numpy(p).permute(2, 0, 1).float() / 127.5 - 1 for p in pair])
        x = (x - torch.tensor(SHIFT).view(3, 1, 1)) / torch.tensor(SCALE).view(3, 1, 1)
        layer = 0
        for i, module in enumerate(features):
            x = module(x)
            if i in taken:
                unit = nn.functional.normalize(x, dim=1, eps=1e-10)
                weights = lpips._lins[layer][0, :, 0, 0]
                expected += float(((unit[0] - unit[1]).square() * weights[:, None, None]).sum(0).mean()) / len(a)
                layer += 1
    assert lpips.distance(a, b) == pytest.approx(expected, rel=1e-4)


def test_files_that_are_none_are_refused(tmp_path):
    save_file({"features.0.weight": torch.zeros(1)}, tmp_path / "half.safetensors")
    with pytest.raises(UserError, match="holds no LPIPS weights"):
        Lpips(tmp_path / "half.safetensors")
