"""A critic of sharpness: tells photographs from rendered pictures, patch by patch, beside the game's frame.

Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", 2017, with the hinge loss. It is
trained in the same step as what it judges: each side's gradients leave the other's weights alone.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F


@dataclass(frozen=True)
class Judged:
    """Losses: the critic's `own`; for what it judges, its `verdict` and the `matching` of what it looks at."""

    own: Tensor
    verdict: Tensor
    matching: Tensor


class Critic(nn.Module):
    """Four convolutions; each patch that is judged is 38 pixels wide."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        sizes = (6, width, 2 * width, 4 * width)
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 4, stride=2, padding=1)
                                    for a, b in itertools.pairwise(sizes))
        self.last = nn.Conv2d(sizes[-1], 1, 3, padding=1)

    def forward(self, picture: Tensor, game: Tensor) -> list[Tensor]:
        """Pictures (N, 3, H, W) beside the game's, to features of each layer and, last, the verdict on each patch."""
        x, seen = torch.cat([picture, game], 1), list[Tensor]()
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.2)
            seen.append(x)
        return [*seen, self.last(x)]

    def judge(self, out: Tensor, photo: Tensor, game: Tensor) -> Judged:
        """Compares what came out with the photographs, (N, 3, H, W) in [-1, 1]."""
        real, fake = self(photo, game), self(out.detach(), game)
        own = F.relu(1 - real[-1]).mean() + F.relu(1 + fake[-1]).mean()
        fixed = {name: p.detach() for name, p in self.named_parameters()}
        seen: list[Tensor] = functional_call(self, fixed, (out, game))
        matching = torch.stack([(a - b.detach()).abs().mean()
                                for a, b in zip(seen[:-1], real[:-1], strict=True)]).mean()
        return Judged(own, -seen[-1].mean(), matching)
